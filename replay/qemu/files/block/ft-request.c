/*
 * Requests of the guest to the disks of a fault-tolerant VM (ft-disk.c)
 *
 * Requests that overlap are carried out in the guest's order, each after the
 * completion of the one before is in the log, on both sides.  So a read finds
 * the same on both.
 *
 * Runs in the main AioContext and the vCPU's thread, replay mutex and BQL
 * held; the storage itself in its own thread (ft-storage.c).
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
#include "ft-storage.h"

/* A backup that cannot read its storage tries again so often. */
#define RETRY_NS    (100 * SCALE_MS)
/* A request whose reservation is lost under it. */
#define TRIES_MAX   8

typedef enum Stage {
    /* The storage thread's: held by the output rule, carried out. */
    READY,
    /* One before it that overlaps has no completion in the log. */
    AWAITS_TURN,
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
    FtStorageTask task;
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

static struct {
    /* Of the next request; counted from the clone on. */
    uint64_t next_id;
    /* In the guest's order, until their completion was in the log. */
    QTAILQ_HEAD(, FtDiskRequest) pending;
    /* Whose requests are to end now, or NULL. */
    BlockDriverState *drained;
} disks = {
    .pending = QTAILQ_HEAD_INITIALIZER(disks.pending),
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

/*** The storage: in its thread, or the main loop's if the VM never ran ***/

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

/* An iSCSI disk is a live VM's alone. */
static int coroutine_fn ft_disk_io_reserved(FtDiskRequest *r)
{
    unsigned times = 0;
    int i, ret = 0;

    for (i = 0; i < TRIES_MAX; i++) {
        ret = ft_reservation_take(r->bs, &times);
        if (ret < 0) {
            return ret;
        }
        ret = ft_disk_io(r);
        if (ret != -EBADE) {
            return ret;
        }
        ft_reservation_doubt(r->bs, times);
    }
    return ret;
}

/*
 * A backup that cannot read what its primary has read waits, rather than let
 * its guest see anything else.
 */
void coroutine_fn ft_disk_issue(FtStorageTask *task)
{
    FtDiskRequest *r = container_of(task, FtDiskRequest, task);
    FtDisk *disk = r->bs->opaque;

    for (;;) {
        r->ret = ft_disk_io_reserved(r);
        if (r->ret >= 0 || !ft_is_backup() || ft_disk_is_private(r->bs)) {
            disk->said = false;
            return;
        }
        if (qatomic_read(&r->failed)) {
            return;
        }
        if (!disk->said) {
            disk->said = true;
            error_report("disk '%s': this backup cannot read %" PRId64
                         " bytes at %" PRId64 " (%s) and waits until it can",
                         bdrv_get_node_name(r->bs), r->bytes, r->offset,
                         strerror(-r->ret));
        }
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, RETRY_NS);
    }
}

/* No request of the guest's: nobody else is at work. */
static void coroutine_fn ft_disk_io_at_once(FtDiskRequest *r)
{
    AioContext *here = qemu_get_current_aio_context();

    aio_co_reschedule_self(bdrv_get_aio_context(r->bs->file->bs));
    r->ret = ft_disk_io(r);
    aio_co_reschedule_self(here);
}

/* Its completion, an event for the vCPU's thread. */
static void ft_disk_completed(FtDiskRequest *r)
{
    r->stage = QUEUED;
    replay_ft_disk_event(r, r->id);
}

static void ft_disk_cancel(FtDiskRequest *r)
{
    r->ret = -ECANCELED;
    ft_disk_completed(r);
}

void ft_disk_collect(void)
{
    FtStorageTasks tasks;
    FtStorageTask *task;

    ft_storage_collect(&tasks);
    while ((task = QSLIST_FIRST(&tasks))) {
        FtDiskRequest *r = container_of(task, FtDiskRequest, task);

        QSLIST_REMOVE_HEAD(&tasks, next);
        if (task->left) {
            ft_output_left(task->left - task->held_since);
        }
        if (ft_is_backup()) {
            r->stage = DONE;
        } else {
            /* At the end, when there are no more events, it is run at once. */
            ft_disk_completed(r);
        }
    }
}

/*** The guest's order ***/

static bool ft_disk_is_behind_another(const FtDiskRequest *r)
{
    FtDiskRequest *other;

    QTAILQ_FOREACH(other, &disks.pending, next) {
        if (other == r) {
            return false;
        }
        if ((ft_disk_is_change(r) || ft_disk_is_change(other)) &&
            r->bs == other->bs &&
            ft_disk_overlap(r->offset, r->bytes, other->offset,
                            other->bytes)) {
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

void ft_disk_look_at_backup(void)
{
    FtDiskRequest *r;

restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->stage == AWAITS_BACKUP &&
            ft_reads_are_replayed(r->bs, r->offset, r->bytes)) {
            ft_disk_wake(r);
            goto restart;
        }
    }
}

/*** The guest's requests ***/

static void coroutine_fn ft_disk_wait(FtDiskRequest *r, Stage stage)
{
    r->stage = stage;
    qemu_coroutine_yield();
}

/* The image is the outside world, if the other host reaches it as well. */
static bool ft_disk_is_output(const FtDiskRequest *r)
{
    return ft_disk_is_change(r) && !ft_disk_is_private(r->bs);
}

/* All that it waits for comes before it in the guest's order. */
static void coroutine_fn ft_disk_carry_out(FtDiskRequest *r)
{
    if (ft_disk_is_output(r) && r->bs == disks.drained) {
        ft_disk_cancel(r);
        qemu_coroutine_yield();
        return;
    }
    if (ft_disk_is_behind_another(r)) {
        ft_disk_wait(r, AWAITS_TURN);
    }
    if (r->stage != COMPLETED && ft_disk_is_output(r) &&
        !ft_reads_are_replayed(r->bs, r->offset, r->bytes)) {
        ft_disk_wait(r, AWAITS_BACKUP);
    }
    if (r->stage == COMPLETED) {
        return;
    }
    if (ft_disk_is_output(r) && ft_output_is_held()) {
        ft_storage_hold(&r->task);
    } else {
        ft_storage_submit(&r->task);
    }
    ft_disk_wait(r, READY);
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
        ft_disk_io_at_once(&r);
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
    bool is_read, has_data;
    uint64_t position;

    if (r->kind == READ && r->bs == disks.drained) {
        r->ret = -ECANCELED;
    }
    is_read = r->kind == READ && r->ret >= 0;
    has_data = is_read && !ft_disk_is_done_twice(r);
    position = ft_disk_put(r->ret, has_data ? r->data : NULL,
                           has_data ? r->bytes : 0);
    if (is_read && ft_disk_backup_reads(r->bs)) {
        ft_reads_note(r->bs, r->offset, r->bytes, position);
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

/*
 * One that waits for its turn is let through, to ft_disk_load(): what it waits
 * for comes later in the log.
 */
bool ft_disk_may_complete(FtDiskRequest *r, int ret)
{
    if (!ft_disk_is_done_twice(r)) {
        return true;
    }
    qatomic_set(&r->failed, ret < 0);
    ft_disk_collect();
    return r->stage == DONE || r->stage == AWAITS_TURN;
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
    if (r->stage == AWAITS_TURN) {
        return g_strdup("a request that has to wait for one before it");
    }
    if (ret == -ECANCELED) {
        r->ret = ret;
        return NULL;
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

/*** Gone live ***/

/* What is on its way to the storage, or there, goes on by itself.  Once. */
static void ft_disk_live(void *opaque)
{
    FtDiskRequest *r;

    ft_disk_collect();
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

/*** A device is reset ***/

BlockDriverState *ft_disk_node(const FtDiskRequest *r)
{
    return r->bs;
}

static bool ft_disk_is_of(FtStorageTask *task, void *bs)
{
    return container_of(task, FtDiskRequest, task)->bs == bs;
}

static bool ft_disk_has_requests(BlockDriverState *bs)
{
    FtDiskRequest *r;

    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->bs == bs) {
            return true;
        }
    }
    return false;
}

/* What may not leave yet must not be waited for: its entry is not closed. */
static void ft_disk_cancel_changes(BlockDriverState *bs)
{
    FtStorageTasks tasks;
    FtStorageTask *task;
    FtDiskRequest *r;

    ft_storage_take_back(&tasks, ft_disk_is_of, bs);
    while ((task = QSLIST_FIRST(&tasks))) {
        QSLIST_REMOVE_HEAD(&tasks, next);
        ft_disk_cancel(container_of(task, FtDiskRequest, task));
    }
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->bs == bs && (r->stage == AWAITS_BACKUP ||
            (r->stage == AWAITS_TURN && ft_disk_is_output(r)))) {
            ft_disk_cancel(r);
        }
    }
}

static void ft_disk_end_recording(BlockDriverState *bs)
{
    disks.drained = bs;
    ft_disk_live(NULL);     /* if it has just gone live */
    ft_disk_cancel_changes(bs);
    while (ft_disk_has_requests(bs)) {
        ft_disk_collect();
        if (!replay_save_ft_disk_event(bs)) {
            ft_storage_wait();
        }
    }
    disks.drained = NULL;
}

static void ft_disk_end_replaying(BlockDriverState *bs)
{
    FtDiskRequest *r;

    while (ft_disk_has_requests(bs) && replay_read_ft_disk_event()) {
        /* all that the log has */
    }
    /* After a divergence; it never runs again, but it must not hang. */
restart:
    QTAILQ_FOREACH(r, &disks.pending, next) {
        if (r->bs == bs) {
            r->ret = -ECANCELED;
            ft_disk_run(r);
            goto restart;
        }
    }
}

void ft_disk_end_requests(BlockDriverState *bs)
{
    if (!ft_enabled() || !replay_events_enabled() ||
        !ft_disk_has_requests(bs)) {
        return;
    }
    if (ft_is_backup()) {
        ft_disk_end_replaying(bs);
    } else {
        ft_disk_end_recording(bs);
    }
}

void ft_disk_end_all_requests(void)
{
    FtDiskRequest *r;

    if (!ft_enabled() || !replay_events_enabled() || ft_is_backup()) {
        return;
    }
    while ((r = QTAILQ_FIRST(&disks.pending))) {
        ft_disk_end_recording(r->bs);
    }
}

/*** Clone and go live ***/

bool ft_disk_in_flight(void)
{
    return !QTAILQ_EMPTY(&disks.pending);
}

void ft_disk_restart(void)
{
    disks.next_id = 0;
    ft_reads_forget();
}

void ft_disk_go_live(void)
{
    ft_reservation_go_live();
    if (ft_disk_in_flight()) {
        aio_bh_schedule_oneshot(qemu_get_aio_context(), ft_disk_live, NULL);
    }
}
