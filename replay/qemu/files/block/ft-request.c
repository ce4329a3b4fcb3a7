/*
 * Requests of the guest to the disks of a fault-tolerant VM (ft-disk.c)
 *
 * Requests that overlap are carried out in the guest's order, each after the
 * completion of the one before is in the log, on both sides.  So a read finds
 * the same on both.
 *
 * Runs in the main AioContext and the vCPU's thread, replay mutex and BQL
 * held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "block/block_int.h"
#include "sysemu/replay.h"
#include "ft/ft.h"
#include "ft-disk.h"

/* A backup that cannot read its storage tries again so often. */
#define RETRY_NS    (100 * SCALE_MS)

typedef enum Stage {
    /* On its way to the storage; then there. */
    READY,
    /* One before it that overlaps has no completion in the log. */
    AWAITS_TURN,
    /* A change that the output rule holds. */
    AWAITS_ACKNOWLEDGEMENT,
    /* A change of what the backup may be about to read. */
    AWAITS_BACKUP,
    /* Replaying: its storage is the recording VM's. */
    AWAITS_LOG,
    /* Replaying: its own result is here, the log's is not. */
    DONE,
    /* Recording: its completion waits for the vCPU's thread. */
    QUEUED,
    /* Its completion is in the log. */
    COMPLETED,
} Stage;

struct FtDiskRequest {
    QTAILQ_ENTRY(FtDiskRequest) next;
    uint64_t id;
    BlockDriverState *bs;
    Coroutine *co;
    FtDiskKind kind;
    int64_t offset, bytes;
    BdrvRequestFlags flags;
    uint8_t *data;      /* reads and writes */
    Stage stage;
    int ret;
    bool failed;        /* replaying: so the log says */
};

/* A read whose completion the backup may not have carried out. */
typedef struct Read {
    QSIMPLEQ_ENTRY(Read) next;
    BlockDriverState *bs;
    int64_t offset, bytes;
    uint64_t position;  /* in the log */
} Read;

static struct {
    /* Of the next request; counted from the clone on. */
    uint64_t next_id;
    /* In the guest's order, until their completion was in the log. */
    QTAILQ_HEAD(, FtDiskRequest) pending;
    /* By position. */
    QSIMPLEQ_HEAD(, Read) reads;
} disks = {
    .pending = QTAILQ_HEAD_INITIALIZER(disks.pending),
    .reads = QSIMPLEQ_HEAD_INITIALIZER(disks.reads),
};

/* A replaying VM carries it out as well. */
static bool ft_disk_is_done_twice(const FtDiskRequest *r)
{
    return ft_disk_is_private(r->bs) ||
           (r->kind == READ && ft_disk_backup_reads(r->bs));
}

static bool ft_disk_is_change(const FtDiskRequest *r)
{
    return r->kind != READ && r->kind != FLUSH;
}

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
        if (ft_disk_is_private(r->bs) || ft_disk_backup_reads(r->bs)) {
            /* What is read there later must be the same on both sides. */
            return bdrv_co_pwrite_zeroes(file, r->offset, r->bytes,
                                         BDRV_REQ_MAY_UNMAP);
        }
        return bdrv_co_pdiscard(file, r->offset, r->bytes);
    case FLUSH:
        return bdrv_co_flush(file->bs);
    }
    g_assert_not_reached();
}

/*
 * A backup that cannot read what its primary has read waits, rather than let
 * its guest see anything else.
 */
static int coroutine_fn ft_disk_issue(FtDiskRequest *r)
{
    FtDisk *disk = r->bs->opaque;

    for (;;) {
        int ret = ft_disk_io(r);

        if (ret >= 0 || !ft_is_backup() || ft_disk_is_private(r->bs)) {
            disk->said = false;
            return ret;
        }
        if (r->failed) {
            return ret;
        }
        if (!disk->said) {
            disk->said = true;
            error_report("disk '%s': this backup cannot read %" PRId64
                         " bytes at %" PRId64 " (%s) and waits until it can",
                         bdrv_get_node_name(r->bs), r->bytes, r->offset,
                         strerror(-ret));
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, RETRY_NS);
    }
}

/* Its completion, an event for the vCPU's thread. */
static void ft_disk_completed(FtDiskRequest *r)
{
    r->stage = QUEUED;
    replay_ft_disk_event(r, r->id);
    ft_clone_look_at_disks();
}

/*** The guest's order ***/

static bool ft_disk_overlap(const FtDiskRequest *r, BlockDriverState *bs,
                            int64_t offset, int64_t bytes)
{
    return r->bs == bs && r->offset < offset + bytes &&
           offset < r->offset + r->bytes;
}

static bool ft_disk_is_behind_another(const FtDiskRequest *r)
{
    FtDiskRequest *other;

    QTAILQ_FOREACH(other, &disks.pending, next) {
        if (other == r) {
            return false;
        }
        /* Flushes have no bytes. */
        if ((ft_disk_is_change(r) || ft_disk_is_change(other)) &&
            ft_disk_overlap(r, other->bs, other->offset, other->bytes)) {
            return true;
        }
    }
    g_assert_not_reached();
}

static void ft_disk_wake(FtDiskRequest *r)
{
    r->stage = READY;
    aio_co_wake(r->co);
}

static void ft_disk_look_whose_turn_it_is(void)
{
    FtDiskRequest *r;

restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->stage == AWAITS_TURN && !ft_disk_is_behind_another(r)) {
            ft_disk_wake(r);
            goto restart;
        }
    }
}

/*** What the backup reads for itself ***/

static void ft_disk_forget_reads(void)
{
    uint64_t replayed = ft_log_replayed();
    Read *read;

    while ((read = QSIMPLEQ_FIRST(&disks.reads)) &&
           read->position <= replayed) {
        QSIMPLEQ_REMOVE_HEAD(&disks.reads, next);
        g_free(read);
    }
}

static void ft_disk_note_read(const FtDiskRequest *r, uint64_t position)
{
    Read *read;

    ft_disk_forget_reads();
    if (ft_log_replayed() == UINT64_MAX) {
        return;
    }
    read = g_new0(Read, 1);
    read->bs = r->bs;
    read->offset = r->offset;
    read->bytes = r->bytes;
    read->position = position;
    QSIMPLEQ_INSERT_TAIL(&disks.reads, read, next);
}

/* If not, ft_disk_look_at_backup() is called when it may have. */
static bool ft_disk_backup_has_read(const FtDiskRequest *r)
{
    uint64_t position = 0;
    Read *read;

    ft_disk_forget_reads();
    QSIMPLEQ_FOREACH(read, &disks.reads, next) {
        if (ft_disk_overlap(r, read->bs, read->offset, read->bytes)) {
            position = read->position;
        }
    }
    if (position <= ft_log_replayed()) {
        return true;
    }
    ft_log_want_replayed(position);
    return position <= ft_log_replayed();
}

void ft_disk_look_at_backup(void)
{
    FtDiskRequest *r;

restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->stage == AWAITS_BACKUP && ft_disk_backup_has_read(r)) {
            ft_disk_wake(r);
            goto restart;
        }
    }
}

/*** The guest's requests ***/

static void ft_disk_released(void *owner, const uint8_t *data, size_t size)
{
    ft_disk_wake(owner);
}

static void coroutine_fn ft_disk_wait(FtDiskRequest *r, Stage stage)
{
    r->stage = stage;
    qemu_coroutine_yield();
}

/* All that it waits for comes before it in the guest's order. */
static void coroutine_fn ft_disk_await_storage(FtDiskRequest *r)
{
    if (ft_disk_is_behind_another(r)) {
        ft_disk_wait(r, AWAITS_TURN);
    }
    if (!ft_disk_is_change(r) || ft_disk_is_private(r->bs)) {
        return;
    }
    if (ft_output_is_held()) {
        ft_output_hold(r, ft_disk_released, NULL, 0);
        ft_disk_wait(r, AWAITS_ACKNOWLEDGEMENT);
    }
    if (!ft_disk_backup_has_read(r)) {
        ft_disk_wait(r, AWAITS_BACKUP);
    }
}

static void coroutine_fn ft_disk_carry_out(FtDiskRequest *r)
{
    ft_disk_await_storage(r);
    r->stage = READY;
    r->ret = ft_disk_issue(r);
    if (ft_is_backup()) {
        r->stage = DONE;
        ft_disk_storage_is_done(r->id);
        qemu_coroutine_yield();
    } else if (replay_events_enabled()) {
        ft_disk_completed(r);
        qemu_coroutine_yield();
    }
}

/* Until its completion is in the log. */
static void coroutine_fn ft_disk_perform(FtDiskRequest *r)
{
    r->id = disks.next_id++;
    QTAILQ_INSERT_TAIL(&disks.pending, r, next);
    if (ft_is_backup() && !ft_disk_is_done_twice(r)) {
        /* For its completion, or for this VM to go live. */
        ft_disk_wait(r, AWAITS_LOG);
    }
    if (r->stage != COMPLETED) {
        ft_disk_carry_out(r);
    }
    QTAILQ_REMOVE(&disks.pending, r, next);
    ft_disk_look_whose_turn_it_is();
}

int coroutine_fn ft_disk_request(BlockDriverState *bs, FtDiskKind kind,
                                 int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, BdrvRequestFlags flags)
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
        ft_disk_perform(&r);
    }
    if (kind == READ && r.ret >= 0) {
        qemu_iovec_from_buf(qiov, 0, r.data, bytes);
    }
    qemu_vfree(r.data);
    return r.ret;
}

/*** The log (replay/replay-events.c) ***/

void ft_disk_save(FtDiskRequest *r)
{
    bool is_read = r->kind == READ && r->ret >= 0;
    bool has_data = is_read && !ft_disk_is_done_twice(r);
    uint64_t position = ft_disk_put(r->ret, has_data ? r->data : NULL,
                                    has_data ? r->bytes : 0);

    if (is_read && ft_disk_backup_reads(r->bs)) {
        ft_disk_note_read(r, position);
    }
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

bool ft_disk_may_complete(FtDiskRequest *r, int ret)
{
    if (!ft_disk_is_done_twice(r)) {
        return true;
    }
    r->failed = ret < 0;
    return r->stage == DONE;
}

static char *ft_disk_describe(const FtDiskRequest *r, const char *where,
                              int ret)
{
    static const char *const names[] = {
        [READ] = "read", [WRITE] = "write", [WRITE_ZEROES] = "zero write",
        [DISCARD] = "discard", [FLUSH] = "flush",
    };

    return g_strdup_printf("private disk '%s': %s of %" PRId64 " bytes at %"
                           PRId64 " failed %s (%s), the replicas may differ",
                           bdrv_get_node_name(r->bs), names[r->kind], r->bytes,
                           r->offset, where, strerror(-ret));
}

char *ft_disk_load(FtDiskRequest *r, int ret, const uint8_t *data, size_t size)
{
    bool has_data = r->kind == READ && ret >= 0 && !ft_disk_is_done_twice(r);

    if (size != (has_data ? r->bytes : 0)) {
        return g_strdup("another request of that number");
    }
    if (ft_disk_is_private(r->bs) && ret < 0) {
        return ft_disk_describe(r, "at the primary", ret);
    }
    if (ft_disk_is_private(r->bs) && r->ret < 0) {
        return ft_disk_describe(r, "here", r->ret);
    }
    if (size) {
        memcpy(r->data, data, size);
    }
    r->ret = ret;
    return NULL;
}

void ft_disk_run(FtDiskRequest *r)
{
    r->stage = COMPLETED;
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
    ft_disk_forget_reads();
}

/* What is on its way to the storage, or there, goes on by itself. */
static void ft_disk_live(void *opaque)
{
    FtDiskRequest *r;

restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->stage == DONE) {
            ft_disk_completed(r);
        } else if (r->stage == AWAITS_LOG) {
            ft_disk_wake(r);
            goto restart;
        }
    }
}

void ft_disk_go_live(void)
{
    if (ft_disk_in_flight()) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), ft_disk_live, NULL);
    }
}
