/*
 * Replicas: a backup's private disks become those of its primary
 *
 * Loads what ft-replica.c sends, before the VM's state is loaded.  What is
 * wrong here ends the process, with a last line that says what.
 *
 * The incoming migration's coroutine in the main loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/memalign.h"
#include "qapi/error.h"
#include "block/block_int.h"
#include "ft/ft.h"
#include "ft-replica.h"

/* BlockDriverState of the ft nodes, by number. */
static GPtrArray *targets;

/* Nobody but us knows what is wrong, and it is the last word. */
G_NORETURN static void G_GNUC_PRINTF(1, 2)
ft_replica_fails(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    error_vreport(format, arguments);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

static void ft_replica_open(const char *name, int64_t bytes)
{
    BlockDriverState *bs = bdrv_find_node(name);
    Error *err = NULL;
    int64_t own;

    if (!bs || !ft_disk_is_private_node(bs)) {
        ft_replica_fails("the primary has a private disk '%s', this backup "
                         "has none", name);
    }
    own = bdrv_getlength(bs);
    if (own != bytes) {
        ft_replica_fails("disk '%s' has %" PRId64 " bytes here, %" PRId64
                         " at the primary: make the image as large", name,
                         own, bytes);
    }
    if (bdrv_activate(bs, &err) < 0) {
        ft_replica_fails("disk '%s' cannot be written: %s", name,
                         error_get_pretty(err));
    }
    g_ptr_array_add(targets, bs);
}

static void ft_replica_get_disk(QEMUFile *f)
{
    char name[UINT8_MAX + 1];
    size_t length = qemu_get_byte(f);
    int64_t bytes;

    qemu_get_buffer(f, (uint8_t *)name, length);
    name[length] = 0;
    bytes = qemu_get_be64(f);
    if (!qemu_file_get_error(f)) {
        ft_replica_open(name, bytes);
    }
}

static void coroutine_fn ft_replica_get_piece(QEMUFile *f, bool is_zero)
{
    unsigned number = qemu_get_byte(f);
    int64_t offset = qemu_get_be64(f), bytes = qemu_get_be32(f);
    BlockDriverState *bs;
    uint8_t *data;
    int ret;

    if (qemu_file_get_error(f)) {
        return;
    }
    if (number >= targets->len || bytes > CHUNK_BYTES || offset < 0) {
        ft_replica_fails("a piece of disk %u, %" PRId64 " bytes at %" PRId64
                         ", is no part of a clone", number, bytes, offset);
    }
    bs = g_ptr_array_index(targets, number);
    if (is_zero) {
        ret = bdrv_co_pwrite_zeroes(bs->file, offset, bytes,
                                    BDRV_REQ_MAY_UNMAP);
    } else {
        data = qemu_blockalign(bs->file->bs, bytes);
        qemu_get_buffer(f, data, bytes);
        ret = qemu_file_get_error(f) ? 0 :
              bdrv_co_pwrite(bs->file, offset, bytes, data, 0);
        qemu_vfree(data);
    }
    if (ret < 0) {
        ft_replica_fails("disk '%s' cannot be written, %" PRId64 " bytes at %"
                         PRId64 ": %s", bdrv_get_node_name(bs), bytes, offset,
                         strerror(-ret));
    }
}

static void coroutine_fn ft_replica_flush(void)
{
    unsigned i;

    for (i = 0; i < targets->len; i++) {
        BlockDriverState *bs = g_ptr_array_index(targets, i);
        int ret = bdrv_co_flush(bs->file->bs);

        if (ret < 0) {
            ft_replica_fails("disk '%s' cannot be flushed: %s",
                             bdrv_get_node_name(bs), strerror(-ret));
        }
    }
}

int coroutine_fn ft_replica_load(QEMUFile *f, void *opaque, int version)
{
    if (!targets) {
        targets = g_ptr_array_new();
    }
    for (;;) {
        int kind = qemu_get_byte(f), ret = qemu_file_get_error(f);

        if (ret) {
            return ret;
        }
        switch (kind) {
        case END:
            return 0;
        case DISK:
            ft_replica_get_disk(f);
            break;
        case DATA:
        case ZERO:
            ft_replica_get_piece(f, kind == ZERO);
            break;
        case FLUSH:
            ft_replica_flush();
            break;
        default:
            ft_replica_fails("record %d is no part of a clone", kind);
        }
    }
}
