/*
 * The storage under the disks of a fault-tolerant VM, in a thread of its own
 *
 * The main loop works under the replay mutex.  Were storage its business, each
 * completion would take the mutex from the vCPU, only to queue an event for
 * it, and give it back: two changes of threads, which cost more than all the
 * rest of a small request.  This thread waits neither for that mutex nor for
 * the BQL; what is done lies in a list, where the vCPU finds it when it next
 * looks.
 *
 * What the output rule holds waits here as well, for the same reason: this
 * thread hears of acknowledgements by a doorbell of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "sysemu/iothread.h"
#include "sysemu/replay.h"
#include "sysemu/runstate.h"
#include "ft/ft.h"
#include "ft-disk.h"
#include "ft-storage.h"

static struct {
    IOThread *thread;
    AioContext *context;
    QEMUBH *begin, *tell;       /* in the thread */
    QEMUBH *bell;               /* in the main loop */
    FtStorageTasks submitted;   /* newest first, as the other */
    FtStorageTasks done;
    bool bell_is_wanted;
    bool kick_is_wanted;
    QemuEvent progress;
    /* Held: no entry explains it yet (replay mutex); and, by any thread. */
    FtStorageTasks untagged;
    unsigned untagged_count;
    FtStorageTasks held;
    unsigned held_count;        /* all of them */
    bool listens;
} storage;

/*** The thread ***/

/*
 * This thread, and the threads that it starts for reads and writes, do not
 * take a processor from the vCPU in the middle of its work: where they have
 * none of their own, what the vCPU submits, and what is done, comes in groups,
 * and most of the changes of threads are saved.  A sandbox may forbid it; then
 * storage works as before, slower.
 */
static void ft_storage_be_patient(void *opaque)
{
    struct sched_param param = { 0 };

    sched_setscheduler(0, SCHED_BATCH, &param);
}

/*
 * The vCPU holds the BQL from its last look until it sleeps, so who can take
 * it either comes before the look or wakes a sleeper.  False: who can't.
 */
static bool ft_storage_kick(void)
{
    if (!qemu_mutex_trylock_iothread()) {
        return false;
    }
    /* Who is woken wants it at once. */
    qemu_mutex_unlock_iothread();
    qemu_cpu_kick(first_cpu);
    return true;
}

/* Once for all that was done since the thread last waited. */
static void ft_storage_tell(void *opaque)
{
    bool kick;

    smp_mb();
    kick = qatomic_xchg(&storage.kick_is_wanted, false);
    if (qatomic_xchg(&storage.bell_is_wanted, false) ||
        !replay_events_enabled() || (kick && !ft_storage_kick())) {
        qemu_bh_schedule(storage.bell);
    } else if (!kick && !ft_is_backup()) {
        ft_vcpu_yield();
    }
}

static void coroutine_fn ft_storage_run(void *opaque)
{
    FtStorageTask *task = opaque;

    ft_disk_issue(task);
    QSLIST_INSERT_HEAD_ATOMIC(&storage.done, task, next);
    qemu_event_set(&storage.progress);
    qemu_bh_schedule(storage.tell);
}

/* Oldest first. */
static void ft_storage_take(FtStorageTasks *tasks, FtStorageTasks *from)
{
    FtStorageTasks newest_first;
    FtStorageTask *task;

    QSLIST_INIT(tasks);
    if (!qatomic_read(&from->slh_first)) {
        return;
    }
    QSLIST_MOVE_ATOMIC(&newest_first, from);
    while ((task = QSLIST_FIRST(&newest_first))) {
        QSLIST_REMOVE_HEAD(&newest_first, next);
        QSLIST_INSERT_HEAD(tasks, task, next);
    }
}

static void ft_storage_enter(FtStorageTask *task)
{
    qemu_coroutine_enter(qemu_coroutine_create(ft_storage_run, task));
}

static bool ft_storage_may_leave(const FtStorageTask *task)
{
    return !ft_output_is_held() || ft_output_may_leave(task->tag);
}

/* True: another one may leave already. */
static bool ft_storage_release_some(void)
{
    FtStorageTasks tasks;
    FtStorageTask *task;
    bool again = false;

    ft_storage_take(&tasks, &storage.held);
    if (!QSLIST_EMPTY(&tasks)) {
        ft_log_want_storage_bell();
    }
    while ((task = QSLIST_FIRST(&tasks))) {
        QSLIST_REMOVE_HEAD(&tasks, next);
        if (ft_storage_may_leave(task)) {
            task->left = get_clock();
            qatomic_dec(&storage.held_count);
            ft_storage_enter(task);
            again = true;
        } else {
            QSLIST_INSERT_HEAD_ATOMIC(&storage.held, task, next);
        }
    }
    return again;
}

static void ft_storage_begin(void *opaque)
{
    FtStorageTasks tasks;
    FtStorageTask *task;

    ft_storage_take(&tasks, &storage.submitted);
    aio_context_acquire(storage.context);
    while ((task = QSLIST_FIRST(&tasks))) {
        QSLIST_REMOVE_HEAD(&tasks, next);
        ft_storage_enter(task);
    }
    while (ft_storage_release_some()) {
        /* until none may */
        ft_log_call_now();
    }
    aio_context_release(storage.context);
}

static void ft_storage_doorbell(void *opaque)
{
    ft_log_clear_storage_bell();
    ft_storage_begin(NULL);
}

/*** The output rule, under the replay mutex ***/

void ft_storage_hold(FtStorageTask *task)
{
    g_assert(replay_mutex_locked());
    task->held_since = get_clock();
    QSLIST_INSERT_HEAD(&storage.untagged, task, next);
    storage.untagged_count++;
    qatomic_inc(&storage.held_count);
    ft_output_end_tenure();
}

bool ft_storage_wants_tag(void)
{
    return !QSLIST_EMPTY(&storage.untagged);
}

/*
 * As with small segments of TCP (RFC 896): while one is on its way, others
 * gather.
 */
bool ft_storage_awaits_another(void)
{
    return qatomic_read(&storage.held_count) > storage.untagged_count;
}

void ft_storage_tag(uint64_t position)
{
    FtStorageTasks tasks;
    FtStorageTask *task;

    if (!ft_storage_wants_tag()) {
        return;
    }
    ft_storage_take(&tasks, &storage.untagged);
    storage.untagged_count = 0;
    while ((task = QSLIST_FIRST(&tasks))) {
        QSLIST_REMOVE_HEAD(&tasks, next);
        task->tag = position;
        QSLIST_INSERT_HEAD_ATOMIC(&storage.held, task, next);
    }
    ft_log_want_storage_bell();
    if (ft_output_may_leave(position)) {
        ft_storage_look();
    }
}

static void ft_storage_take_back_from(FtStorageTasks *list,
                                      FtStorageTasks *tasks,
                                      bool (*is_wanted)(FtStorageTask *task,
                                                        void *opaque),
                                      void *opaque)
{
    FtStorageTasks all;
    FtStorageTask *task;

    ft_storage_take(&all, list);
    while ((task = QSLIST_FIRST(&all))) {
        QSLIST_REMOVE_HEAD(&all, next);
        if (is_wanted(task, opaque)) {
            QSLIST_INSERT_HEAD(tasks, task, next);
            qatomic_dec(&storage.held_count);
            storage.untagged_count -= list == &storage.untagged;
        } else {
            QSLIST_INSERT_HEAD_ATOMIC(list, task, next);
        }
    }
}

void ft_storage_take_back(FtStorageTasks *tasks,
                          bool (*is_wanted)(FtStorageTask *task, void *opaque),
                          void *opaque)
{
    QSLIST_INIT(tasks);
    ft_storage_take_back_from(&storage.held, tasks, is_wanted, opaque);
    ft_storage_take_back_from(&storage.untagged, tasks, is_wanted, opaque);
    /* The thread may have looked for others meanwhile. */
    ft_storage_look();
}

void ft_storage_look(void)
{
    if (storage.thread) {
        qemu_bh_schedule(storage.begin);
    }
}

unsigned ft_storage_held(void)
{
    return qatomic_read(&storage.held_count);
}

/*** Between the threads ***/

void ft_storage_submit(FtStorageTask *task)
{
    QSLIST_INSERT_HEAD_ATOMIC(&storage.submitted, task, next);
    qemu_bh_schedule(storage.begin);
}

void ft_storage_collect(FtStorageTasks *tasks)
{
    ft_storage_take(tasks, &storage.done);
}

void ft_storage_wait(void)
{
    qemu_event_reset(&storage.progress);
    if (!qatomic_read(&storage.done.slh_first)) {
        qemu_event_wait(&storage.progress);
    }
}

static bool ft_storage_want(bool *what)
{
    qatomic_set(what, true);
    smp_mb();
    return !qatomic_read(&storage.done.slh_first);
}

bool ft_storage_want_bell(void)
{
    return ft_storage_want(&storage.bell_is_wanted);
}

bool ft_storage_want_kick(void)
{
    return ft_storage_want(&storage.kick_is_wanted);
}

/* Main loop, both locks held. */
static void ft_storage_bell(void *opaque)
{
    if (!replay_events_enabled()) {
        ft_disk_collect();
    }
    if (first_cpu) {
        qemu_cpu_kick(first_cpu);
    }
    ft_clone_look_at_disks();
}

/*** Whose a node is ***/

static void ft_storage_move(BlockDriverState *bs, AioContext *to)
{
    AioContext *from = bdrv_get_aio_context(bs->file->bs);

    if (from == to) {
        return;
    }
    aio_context_acquire(from);
    /* The ft node stays where its device is. */
    bdrv_try_change_aio_context(bs->file->bs, to, bs->file, &error_abort);
    aio_context_release(from);
}

static void ft_storage_vm_changes(void *opaque, bool running, RunState state)
{
    if (!running || !ft_enabled()) {
        return;
    }
    ft_storage_move(opaque, storage.context);
    if (!storage.listens) {
        storage.listens = true;
        aio_set_fd_handler(storage.context, ft_log_storage_bell(), false,
                           ft_storage_doorbell, NULL, NULL, NULL, NULL);
    }
}

static void ft_storage_start(void)
{
    if (storage.thread) {
        return;
    }
    qemu_event_init(&storage.progress, false);
    storage.thread = iothread_create("ft-storage", &error_abort);
    storage.context = iothread_get_aio_context(storage.thread);
    storage.begin = aio_bh_new(storage.context, ft_storage_begin, NULL);
    storage.tell = aio_bh_new(storage.context, ft_storage_tell, NULL);
    storage.bell = qemu_bh_new(ft_storage_bell, NULL);
    aio_bh_schedule_oneshot(storage.context, ft_storage_be_patient, NULL);
}

void ft_storage_add(BlockDriverState *bs)
{
    FtDisk *disk = bs->opaque;

    ft_storage_start();
    disk->vm_changes = qemu_add_vm_change_state_handler(ft_storage_vm_changes,
                                                        bs);
}

void ft_storage_remove(BlockDriverState *bs)
{
    FtDisk *disk = bs->opaque;

    qemu_del_vm_change_state_handler(disk->vm_changes);
    ft_storage_move(bs, qemu_get_aio_context());
}
