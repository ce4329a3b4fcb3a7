/*
 * ft: a disk of a fault-tolerant VM (its requests are in ft-request.c)
 *
 *     -blockdev driver=ft,node-name=d0,file=NODE[,mode=...][,reads=...]
 *     -device virtio-blk-pci,drive=d0
 *
 * Each request gets a number; its completion is an event of the log, which
 * carries the result.  Data goes through a buffer of ours in between, so that
 * guest memory changes at the event's instruction and at no other time
 * (Scales et al. 2010, 3.4).
 *
 * mode=shared: there is one image, which both hosts reach, and only the
 * recording VM changes it.  A change is an output: it is held until the
 * backup has acknowledged the log that explains it.  A replaying VM completes
 * from the log; when it goes live it cannot know which of the requests
 * without a logged completion were carried out, and issues them again (3.4).
 *
 *     reads=log       the log has the data of reads
 *     reads=backup    the replaying VM reads for itself (4.2); the recording
 *                     one changes nothing that was read before the backup's
 *                     replay has passed that read's completion
 *
 * mode=private: each host has a replica, and both VMs do all I/O, each on its
 * own (4.1).  No change is held: a replica that is behind is never used, but
 * copied anew.  An error on either side ends the backup, because the replicas
 * may differ from there on.  A replaying VM that goes live issues nothing
 * twice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/util.h"
#include "qemu/module.h"
#include "qemu/option.h"
#include "qemu/units.h"
#include "block/block_int.h"
#include "sysemu/block-backend.h"
#include "ft/ft.h"
#include "ft-disk.h"
#include "ft-storage.h"

/* A completed read is one event of the log, and an entry holds several. */
#define TRANSFER_BYTES_MAX (512 * KiB)

/*** The guest's requests ***/

static int coroutine_fn ft_disk_preadv(BlockDriverState *bs, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       BdrvRequestFlags flags)
{
    return ft_disk_request(bs, READ, offset, bytes, qiov, flags);
}

static int coroutine_fn ft_disk_pwritev(BlockDriverState *bs, int64_t offset,
                                        int64_t bytes, QEMUIOVector *qiov,
                                        BdrvRequestFlags flags)
{
    return ft_disk_request(bs, WRITE, offset, bytes, qiov, flags);
}

static int coroutine_fn ft_disk_pwrite_zeroes(BlockDriverState *bs,
                                              int64_t offset, int64_t bytes,
                                              BdrvRequestFlags flags)
{
    return ft_disk_request(bs, WRITE_ZEROES, offset, bytes, NULL, flags);
}

static int coroutine_fn ft_disk_pdiscard(BlockDriverState *bs, int64_t offset,
                                         int64_t bytes)
{
    return ft_disk_request(bs, DISCARD, offset, bytes, NULL, 0);
}

static int coroutine_fn ft_disk_flush(BlockDriverState *bs)
{
    return ft_disk_request(bs, FLUSH, 0, 0, NULL, 0);
}

/*** Start-up ***/

/*
 * A format with metadata of its own would be read when the backup starts and
 * be stale when it goes live.
 */
static bool ft_disk_format_is_accepted(BlockDriverState *bs)
{
    static const char *const accepted[] = {
        "raw", "file", "host_device", "nbd", "iscsi",
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(accepted); i++) {
        if (g_str_equal(bs->drv->format_name, accepted[i])) {
            return true;
        }
    }
    return false;
}

bool ft_disk_is_private_node(BlockDriverState *bs)
{
    return bs->drv && g_str_equal(bs->drv->format_name, "ft") &&
           ft_disk_is_private(bs);
}

BlockDriverState *ft_disk_next_private(BlockDriverState *bs)
{
    while ((bs = bdrv_next_node(bs))) {
        if (ft_disk_is_private_node(bs)) {
            return bs;
        }
    }
    return NULL;
}

bool ft_disk_check(Error **errp)
{
    BlockBackend *blk;

    for (blk = blk_all_next(NULL); blk; blk = blk_all_next(blk)) {
        BlockDriverState *bs = blk_bs(blk);

        if (!bs || !blk_get_attached_dev(blk)) {
            continue;
        }
        if (!g_str_equal(bs->drv->format_name, "ft")) {
            error_setg(errp, "disk '%s' is not replicated: put a node of "
                       "driver=ft between it and its device",
                       bdrv_get_device_or_node_name(bs));
            return false;
        }
        if (!ft_disk_format_is_accepted(bs->file->bs)) {
            error_setg(errp, "disk '%s' has format '%s': a backup would go "
                       "live with stale metadata; use raw",
                       bdrv_get_device_or_node_name(bs),
                       bs->file->bs->drv->format_name);
            return false;
        }
        if (!ft_reservation_check(bs, errp)) {
            return false;
        }
    }
    return true;
}

static QemuOptsList ft_disk_options = {
    .name = "ft",
    .head = QTAILQ_HEAD_INITIALIZER(ft_disk_options.head),
    .desc = {
        { .name = "mode", .type = QEMU_OPT_STRING },
        { .name = "reads", .type = QEMU_OPT_STRING },
        { /* end of list */ }
    },
};

static bool ft_disk_parse(BlockDriverState *bs, QDict *options, Error **errp)
{
    QemuOpts *opts = qemu_opts_create(&ft_disk_options, NULL, 0, &error_abort);
    FtDisk *disk = bs->opaque;
    Error *err = NULL;

    if (qemu_opts_absorb_qdict(opts, options, &err)) {
        disk->mode = qapi_enum_parse(&FtDiskMode_lookup,
                                     qemu_opt_get(opts, "mode"),
                                     FT_DISK_MODE_SHARED, &err);
    }
    if (!err) {
        disk->reads = qapi_enum_parse(&FtDiskReads_lookup,
                                      qemu_opt_get(opts, "reads"),
                                      FT_DISK_READS_LOG, &err);
    }
    if (!err && ft_disk_is_private(bs) && ft_disk_backup_reads(bs)) {
        error_setg(&err, "disk '%s': reads=backup is for mode=shared: both "
                   "sides read a private disk as it is",
                   bdrv_get_node_name(bs));
    }
    qemu_opts_del(opts);
    error_propagate(errp, err);
    return !err;
}

static int ft_disk_open(BlockDriverState *bs, QDict *options, int flags,
                        Error **errp)
{
    if (!ft_disk_parse(bs, options, errp)) {
        return -EINVAL;
    }
    if (bdrv_open_file_child(NULL, options, "file", bs, errp) < 0) {
        return -EINVAL;
    }
    ft_storage_add(bs);
    return 0;
}

static void ft_disk_close(BlockDriverState *bs)
{
    ft_storage_remove(bs);
}

static int64_t ft_disk_getlength(BlockDriverState *bs)
{
    return bdrv_getlength(bs->file->bs);
}

/* The guest, and how requests are cut, must not depend on this host's disk. */
static void ft_disk_refresh_limits(BlockDriverState *bs, Error **errp)
{
    bs->bl = (BlockLimits) {
        .request_alignment = 1,
        .max_transfer = TRANSFER_BYTES_MAX,
        .min_mem_alignment = bs->bl.min_mem_alignment,
        .opt_mem_alignment = bs->bl.opt_mem_alignment,
        .max_iov = bs->bl.max_iov,
    };
}

static BlockDriver bdrv_ft = {
    .format_name            = "ft",
    .instance_size          = sizeof(FtDisk),
    .is_filter              = true,

    .bdrv_open              = ft_disk_open,
    .bdrv_close             = ft_disk_close,
    .bdrv_child_perm        = bdrv_default_perms,
    .bdrv_getlength         = ft_disk_getlength,
    .bdrv_refresh_limits    = ft_disk_refresh_limits,

    .bdrv_co_preadv         = ft_disk_preadv,
    .bdrv_co_pwritev        = ft_disk_pwritev,
    .bdrv_co_pwrite_zeroes  = ft_disk_pwrite_zeroes,
    .bdrv_co_pdiscard       = ft_disk_pdiscard,
    .bdrv_co_flush          = ft_disk_flush,
};

static void bdrv_ft_init(void)
{
    bdrv_register(&bdrv_ft);
}

block_init(bdrv_ft_init);
