/*
 * Clone: a live migration whose source runs on
 *
 * The migration thread copies RAM while the VM runs, stops it for what is
 * left, notes the log position, and starts it again.  The clone replays the
 * log from that position.
 *
 * A reset of the guest is no single moment: the main loop notes it in the
 * log, pauses the vCPU, resets the devices, resumes.  The VM is stopped for
 * the clone before all of that or after it, and a reset that is asked for
 * while it stands still waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/qapi-events-ft.h"
#include "hw/core/cpu.h"
#include "sysemu/cpus.h"
#include "sysemu/replay.h"
#include "sysemu/runstate.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"
#include "ft-engine.h"

/* A reset takes a few milliseconds; so long at the most is it waited for
 * without another look. */
#define RESET_POLL_MS   100
#define DISK_POLL_MS    100

static QemuCond reset_over;
static QemuCond disk_request_completed;
static bool resetting;          /* under the BQL */

bool ft_clone_active(void)
{
    return ft_engine.clone_active;
}

void ft_clone_lock(void)
{
    if (ft_engine.clone_active) {
        replay_mutex_lock();
        ft_engine.clone_locked = true;
    }
}

void ft_clone_unlock(void)
{
    if (ft_engine.clone_locked) {
        ft_engine.clone_locked = false;
        replay_mutex_unlock();
    }
}

/*** Resets, both locks held ***/

void ft_clone_start_up(void)
{
    qemu_cond_init(&reset_over);
    qemu_cond_init(&disk_request_completed);
}

bool ft_reset_may_begin(void)
{
    return !ft_engine.clone_active || !ft_engine.clone_stopped_since;
}

void ft_reset_begins(void)
{
    resetting = true;
}

bool ft_reset_is_under_way(void)
{
    return resetting && ft_enabled();
}

void ft_reset_ends(void)
{
    resetting = false;
    if (ft_enabled()) {
        qemu_cond_broadcast(&reset_over);
        qemu_cpu_kick(first_cpu);
    }
}

static void ft_clone_await(QemuCond *cond, int poll_ms)
{
    /* The replay mutex comes before the BQL. */
    ft_clone_unlock();
    qemu_cond_timedwait_iothread(cond, poll_ms);
    qemu_mutex_unlock_iothread();
    ft_clone_lock();
    qemu_mutex_lock_iothread();
}

static void ft_clone_await_reset(void)
{
    while (resetting || qemu_reset_is_pending()) {
        ft_clone_await(&reset_over, RESET_POLL_MS);
    }
}

void ft_clone_look_at_disks(void)
{
    if (ft_engine.clone_active) {
        qemu_cond_broadcast(&disk_request_completed);
    }
}

/*** The migration thread ***/

int ft_clone_stop_vm(void)
{
    int ret;

    if (!ft_engine.clone_active) {
        return vm_stop_force_state(RUN_STATE_FINISH_MIGRATE);
    }
    for (;;) {
        bool was_running;

        ft_clone_await_reset();
        was_running = runstate_is_running();
        ft_engine.clone_stopped_since = get_clock();
        ret = vm_stop_force_state(RUN_STATE_FINISH_MIGRATE);
        if (ret < 0 || !was_running || !qemu_reset_is_pending()) {
            return ret;
        }
        /* The guest asked for it on its way to standing still. */
        ft_engine.clone_stopped_since = 0;
        vm_start();
        qemu_notify_event();
    }
}

/* By the main loop, which needs the locks, if the VM was never started. */
static void ft_clone_read_replicas(void)
{
    if (ft_replica_is_active()) {
        qemu_mutex_unlock_iothread();
        ft_clone_unlock();
        ft_replica_read_last();
        ft_clone_lock();
        qemu_mutex_lock_iothread();
    }
}

void ft_clone_quiesce(void)
{
    if (!ft_engine.clone_active) {
        return;
    }
    /*
     * What waits in a queue is in no device's state.  What devices queued
     * for themselves is recorded and done now, on this side of the clone;
     * packets from outside wait and will be in the log; those that the NIC
     * had no buffers for were dropped when the VM stopped.  Disk requests
     * are waited for, and those that follow from them.
     */
    replay_save_internal_events();
    while (ft_disk_in_flight()) {
        if (ft_storage_want_bell()) {
            ft_clone_await(&disk_request_completed, DISK_POLL_MS);
        }
        replay_save_internal_events();
    }
    ft_clone_read_replicas();
    replay_save_internal_events();
    replay_save_instructions();
    ft_engine.clone_position = ft_log_keep();
    replay_state.data_kind = -1;
    replay_state.has_unread_data = 0;
}

void ft_clone_finish(const char *error)
{
    if (!ft_engine.clone_active) {
        return;
    }
    ft_engine.clone_active = false;
    qemu_notify_event();        /* a reset may have waited */
    ft_engine.clone_total_us = (get_clock() - ft_engine.clone_since) / 1000;
    ft_engine.clone_pause_us = ft_engine.clone_stopped_since ?
        (get_clock() - ft_engine.clone_stopped_since) / 1000 : 0;
    if (!error) {
        qapi_event_send_ft_clone(FT_CLONE_STATUS_COMPLETED,
                                 true, ft_engine.clone_position,
                                 true, ft_engine.clone_pause_us,
                                 true, ft_engine.clone_total_us,
                                 false, NULL);
    } else {
        ft_log_discard();
        qapi_event_send_ft_clone(FT_CLONE_STATUS_FAILED, false, 0, false, 0,
                                 false, 0, true, error);
    }
}

void ft_clone_loaded(uint64_t position)
{
    replay_state.instruction_count = 0;
    replay_state.data_kind = EVENT_NONE;
    replay_state.has_unread_data = 0;
    replay_state.read_event_id = -1;
    replay_mode = REPLAY_MODE_PLAY;
    ft_log_follow(position);
    qapi_event_send_ft_follow(position);
}
