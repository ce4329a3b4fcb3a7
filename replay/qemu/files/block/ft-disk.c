/*
 * ft: a disk of a fault-tolerant VM, on storage that both hosts share
 *
 *     -blockdev driver=ft,node-name=d0,file=NODE -device virtio-blk-pci,drive=d0
 *
 * Only the recording VM touches the storage.  Each request gets a number;
 * its completion is an event of the log, which carries the result and, for a
 * read, the data.  Data goes through a buffer of ours in between, so that
 * guest memory changes at the event's instruction and at no other time
 * (Scales et al. 2010, 3.4).  What changes the disk is an output: it is held
 * until the backup has acknowledged the log that explains it.
 *
 * A replaying VM issues nothing and completes from the log.  When it goes
 * live it cannot know which of the requests without a logged completion were
 * carried out; it issues all of them again (3.4), one after the other, in the
 * guest's order.
 *
 * Runs in the main AioContext and the vCPU's thread, replay mutex and BQL
 * held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/module.h"
#include "qemu/queue.h"
#include "qemu/units.h"
#include "block/block_int.h"
#include "sysemu/block-backend.h"
#include "sysemu/replay.h"
#include "ft/ft.h"

/* A completed read is one event of the log, and an entry holds several. */
#define TRANSFER_BYTES_MAX (512 * KiB)

typedef enum Kind {
    READ, WRITE, WRITE_ZEROES, DISCARD, FLUSH,
} Kind;

struct FtDiskRequest {
    QTAILQ_ENTRY(FtDiskRequest) next;
    uint64_t id;
    BlockDriverState *bs;
    Coroutine *co;
    Kind kind;
    int64_t offset, bytes;
    BdrvRequestFlags flags;
    uint8_t *data;      /* reads and writes */
    int ret;
    bool again;         /* to be issued again, after go live */
};

static struct {
    /* Of the next request; counted from the clone on. */
    uint64_t next_id;
    /* In the guest's order, until their completion was in the log. */
    QTAILQ_HEAD(, FtDiskRequest) pending;
} disks = {
    .pending = QTAILQ_HEAD_INITIALIZER(disks.pending),
};

/*** The storage ***/

static int coroutine_fn ft_disk_io(FtDiskRequest *r)
{
    BdrvChild *file = r->bs->file;

    switch (r->kind) {
    case READ:
        return bdrv_co_pread(file, r->offset, r->bytes, r->data, r->flags);
    case WRITE:
        return bdrv_co_pwrite(file, r->offset, r->bytes, r->data, r->flags);
    case WRITE_ZEROES:
        return bdrv_co_pwrite_zeroes(file, r->offset, r->bytes, r->flags);
    case DISCARD:
        return bdrv_co_pdiscard(file, r->offset, r->bytes);
    case FLUSH:
        return bdrv_co_flush(file->bs);
    }
    g_assert_not_reached();
}

/* Its completion, an event for the vCPU's thread. */
static void ft_disk_completed(FtDiskRequest *r)
{
    replay_ft_disk_event(r, r->id);
    ft_clone_look_at_disks();
}

static void ft_disk_released(void *owner, const uint8_t *data, size_t size)
{
    FtDiskRequest *r = owner;

    aio_co_wake(r->co);
}

/*** The guest's requests ***/

static int coroutine_fn ft_disk_request(BlockDriverState *bs, Kind kind,
                                        int64_t offset, int64_t bytes,
                                        QEMUIOVector *qiov,
                                        BdrvRequestFlags flags)
{
    FtDiskRequest r = {
        .bs = bs,
        .co = qemu_coroutine_self(),
        .kind = kind,
        .offset = offset,
        .bytes = bytes,
        .flags = flags,
    };

    if (qiov) {
        r.data = qemu_try_blockalign(bs->file->bs, bytes);
        if (!r.data) {
            return -ENOMEM;
        }
    }
    if (kind == WRITE) {
        qemu_iovec_to_buf(qiov, 0, r.data, bytes);
    }
    if (!ft_enabled() || !replay_events_enabled()) {
        /* The machine is being made, or has ended: not the guest's. */
        r.ret = ft_disk_io(&r);
    } else {
        r.id = disks.next_id++;
        QTAILQ_INSERT_TAIL(&disks.pending, &r, next);
        if (replay_mode == REPLAY_MODE_RECORD) {
            if (kind != READ && kind != FLUSH && ft_output_is_held()) {
                ft_output_hold(&r, ft_disk_released, NULL, 0);
                qemu_coroutine_yield();
            }
            r.ret = ft_disk_io(&r);
            if (replay_events_enabled()) {
                ft_disk_completed(&r);
                qemu_coroutine_yield();
            }
        } else {
            qemu_coroutine_yield();
        }
        QTAILQ_REMOVE(&disks.pending, &r, next);
    }
    if (kind == READ && r.ret >= 0) {
        qemu_iovec_from_buf(qiov, 0, r.data, bytes);
    }
    qemu_vfree(r.data);
    return r.ret;
}

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

/*** The log (replay/replay-events.c) ***/

void ft_disk_save(FtDiskRequest *r)
{
    bool has_data = r->kind == READ && r->ret >= 0;

    ft_disk_put(r->ret, has_data ? r->data : NULL, has_data ? r->bytes : 0);
}

FtDiskRequest *ft_disk_find(uint64_t id)
{
    FtDiskRequest *r;

    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->id == id) {
            return r;
        }
    }
    return NULL;
}

bool ft_disk_load(FtDiskRequest *r, int ret, const uint8_t *data, size_t size)
{
    if (size != (r->kind == READ && ret >= 0 ? r->bytes : 0)) {
        return false;
    }
    if (size) {
        memcpy(r->data, data, size);
    }
    r->ret = ret;
    return true;
}

void ft_disk_run(FtDiskRequest *r)
{
    aio_co_wake(r->co);
}

/*** Clone and go live ***/

bool ft_disk_in_flight(void)
{
    return !QTAILQ_EMPTY(&disks.pending);
}

void ft_disk_restart(void)
{
    disks.next_id = 0;
}

static void coroutine_fn ft_disk_issue_again(void *opaque)
{
    FtDiskRequest *r;

restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->again) {
            r->again = false;
            r->ret = ft_disk_io(r);
            ft_disk_completed(r);
            goto restart;
        }
    }
}

static void ft_disk_live(void *opaque)
{
    qemu_coroutine_enter(qemu_coroutine_create(ft_disk_issue_again, NULL));
}

void ft_disk_go_live(void)
{
    FtDiskRequest *r;

    QTAILQ_FOREACH(r, &disks.pending, next) {
        r->again = true;
    }
    if (ft_disk_in_flight()) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), ft_disk_live, NULL);
    }
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
    }
    return true;
}

static int ft_disk_open(BlockDriverState *bs, QDict *options, int flags,
                        Error **errp)
{
    return bdrv_open_file_child(NULL, options, "file", bs, errp);
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
    .instance_size          = 0,
    .is_filter              = true,

    .bdrv_open              = ft_disk_open,
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
