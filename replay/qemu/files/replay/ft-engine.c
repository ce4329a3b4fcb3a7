/*
 * The fault-tolerance engine: the vCPU's loop, go live
 *
 * One vCPU thread, one main loop.  Recording, each tenure of the replay
 * mutex ends in ft_tenure_end(), which closes the log entry.  Replaying, the
 * vCPU thread does all that the log tells, also what the main loop recorded
 * (timers, warps), so that no event waits for a hand-over between threads;
 * the main loop is left with the monitor and the doorbell.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qapi/error.h"
#include "qapi/qapi-events-ft.h"
#include "hw/core/cpu.h"
#include "hw/pci/pci.h"
#include "net/net.h"
#include "sysemu/cpu-timers.h"
#include "sysemu/cpus.h"
#include "sysemu/replay.h"
#include "sysemu/runstate.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"
#include "ft-engine.h"
#include "ft-output.h"

FtEngine ft_engine;

/*
 * An engine whose ftd is gone can neither release outputs nor learn who owns
 * the VM.  Looked at four times in the two seconds that ring_layout.h gives.
 */
#define ORPHAN_POLL_MS  500
#define ORPHAN_POLLS    4

/*
 * A backup that has caught up lets some log come in before it goes on, rather
 * than be woken for each entry.  It is asleep when the next one is far.
 */
#define DOZE_MS         1

/*
 * All that raises an interrupt was carried out before its event is reached, and
 * the vCPU takes it at once.  The time is for a host that stands still, the
 * count for one that stood still.
 */
#define INTERRUPT_NS    NANOSECONDS_PER_SECOND
#define INTERRUPT_LOOKS 100

/*** The log ends, or is full ***/

static unsigned ft_next_kind(void)
{
    if (!replay_state.has_unread_data) {
        replay_fetch_data_kind();
    }
    return replay_state.data_kind;
}

/* Events that only the main loop can act on: it pauses the vCPU for them. */
static bool ft_kind_is_main_loops(unsigned kind)
{
    return kind == EVENT_CHECKPOINT + CHECKPOINT_RESET_REQUESTED ||
           kind == EVENT_CHECKPOINT + CHECKPOINT_SUSPEND_REQUESTED ||
           (kind >= EVENT_SHUTDOWN && kind <= EVENT_SHUTDOWN_LAST);
}

static bool ft_log_ends(void)
{
    /* A drained backup that is to go live has that to do. */
    return replay_mode == REPLAY_MODE_PLAY &&
           !replay_state.has_unread_data && !ft_log_has_entry() &&
           !ft_engine.go_live_since;
}

bool ft_vcpu_blocked(void)
{
    if (!ft_enabled()) {
        return false;
    }
    if (ft_reset_is_under_way()) {
        return true;
    }
    if (replay_mode == REPLAY_MODE_RECORD) {
        return !ft_log_has_room() || ft_pace_rests();
    }
    if (ft_engine.diverged || ft_kind_is_main_loops(replay_state.data_kind) ||
        ft_disk_awaits_storage()) {
        return true;
    }
    return ft_log_ends();
}

static bool ft_vcpu_should_sleep(CPUState *cpu)
{
    return ft_vcpu_blocked() && !cpu->stop && cpu_work_list_empty(cpu);
}

bool ft_vcpu_must_sleep(CPUState *cpu)
{
    if (!ft_enabled()) {
        return false;
    }
    if (!ft_vcpu_should_sleep(cpu)) {
        if (all_cpu_threads_idle()) {
            ft_log_call_now();
        } else {
            ft_log_call_when_due();
        }
        return false;
    }
    ft_log_call_now();
    if (ft_log_ends() && !ft_engine.dozed) {
        ft_engine.dozed = true;
        qemu_cond_timedwait_iothread(cpu->halt_cond, DOZE_MS);
        if (!ft_vcpu_should_sleep(cpu)) {
            return false;
        }
    }
    ft_log_want_doorbell();
    ft_storage_want_kick();
    return ft_vcpu_blocked();
}

bool ft_cpu_thread_is_idle(CPUState *cpu)
{
    if (!ft_enabled()) {
        return true;
    }
    if (replay_mode != REPLAY_MODE_PLAY) {
        /* Packets and bottom halves wait for this thread to record them. */
        return !replay_has_events() && ft_storage_want_kick();
    }
    return ft_vcpu_blocked();
}

void ft_vcpu_yield(void)
{
    if (ft_enabled() && first_cpu) {
        cpu_exit(first_cpu);
    }
}

void ft_tenure_end(void)
{
    if (replay_mode == REPLAY_MODE_RECORD &&
        (ft_output_wants_tag() || ft_storage_wants_tag())) {
        /* The entry must reach the very instruction of the output. */
        replay_save_instructions();
        if (ft_output_wants_tag()) {
            /*
             * The acknowledgement may come before the tag is there; whoever
             * hears the doorbell waits for the end of this tenure.
             */
            ft_log_want_doorbell();
        }
        ft_log_commit();
        if (ft_output_wants_tag() || !ft_storage_awaits_another()) {
            ft_log_call_now();
        }
        ft_output_tag(ft_log_position());
        ft_storage_tag(ft_log_position());
        return;
    }
    ft_log_commit();
}

/*** Divergence ***/

void ft_diverged(const char *expected, const char *got)
{
    if (ft_engine.diverged) {
        return;
    }
    ft_engine.diverged = true;
    error_report("divergence at log position %" PRIu64 ", instruction %"
                 PRIu64 ": expected %s, got %s", ft_log.cursor,
                 replay_state.current_icount, expected, got);
    qapi_event_send_ft_divergence(ft_log.cursor, replay_state.current_icount,
                                  expected, got);
    qemu_system_vmstop_request_prepare();
    qemu_system_vmstop_request(RUN_STATE_INTERNAL_ERROR);
}

/*** Replaying ***/

static void ft_replay_event(unsigned kind)
{
    switch (kind) {
    case EVENT_ASYNC ... EVENT_ASYNC_LAST:
        replay_async_events();
        break;
    case EVENT_FT_RATE:
        ft_time_replay();
        break;
    case EVENT_FT_DIGEST:
        ft_digest_replay();
        break;
    case EVENT_FT_STATE:
        ft_state_replay();
        break;
    case EVENT_FT_DEVICES:
        ft_devices_replay();
        break;
    case EVENT_CLOCK ... EVENT_CLOCK_LAST:
        /* Read by the primary's main loop for purposes of its own. */
        replay_read_next_clock(kind - EVENT_CLOCK);
        break;
    case EVENT_CHECKPOINT + CHECKPOINT_CLOCK_WARP_START:
        icount_start_warp_timer();
        break;
    case EVENT_CHECKPOINT + CHECKPOINT_CLOCK_WARP_ACCOUNT:
        icount_account_warp_timer();
        break;
    case EVENT_CHECKPOINT + CHECKPOINT_CLOCK_VIRTUAL:
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL);
        break;
    case EVENT_CHECKPOINT + CHECKPOINT_CLOCK_HOST:
        qemu_clock_run_timers(QEMU_CLOCK_HOST);
        break;
    case EVENT_CHECKPOINT + CHECKPOINT_CLOCK_VIRTUAL_RT:
        qemu_clock_run_timers(QEMU_CLOCK_VIRTUAL_RT);
        break;
    }
    /*
     * The clone started a little later than its primary went on.  Never
     * behind what the primary has read, this clock has lost only the way of
     * the log when it is needed, at go live.
     */
    cpu_clock_advance_to(replay_state.cached_clock[REPLAY_CLOCK_VIRTUAL_RT]);
}

/*** Completions of disk requests (block/ft-disk.c) ***/

/* From the log; it stays here while it has to wait. */
static struct {
    bool is_there;
    uint64_t id;
    int ret;
    uint8_t *data;
    size_t size;
} completion;

static bool ft_disk_completion_waits(void)
{
    FtDiskRequest *r = ft_disk_find(completion.id);

    return r && !ft_disk_may_complete(r, completion.ret);
}

bool ft_disk_awaits_storage(void)
{
    return completion.is_there && ft_disk_completion_waits();
}

bool ft_disk_next_completed(FtDiskRequest **request)
{
    g_autofree char *got = NULL;

    if (!completion.is_there) {
        completion.id = replay_get_qword();
        completion.ret = replay_get_dword();
        replay_get_array_alloc(&completion.data, &completion.size);
        completion.is_there = true;
    }
    if (ft_disk_completion_waits()) {
        return false;
    }
    *request = ft_disk_find(completion.id);
    got = *request ? ft_disk_load(*request, completion.ret, completion.data,
                                  completion.size)
                   : g_strdup("no such request");
    if (got) {
        g_autofree char *want =
            g_strdup_printf("completion of disk request %" PRIu64 ", result "
                            "%d, %zu bytes", completion.id, completion.ret,
                            completion.size);

        ft_diverged(want, got);
        *request = NULL;
    }
    g_free(completion.data);
    completion.is_there = false;
    return true;
}

uint64_t ft_disk_put(int ret, const uint8_t *data, size_t size)
{
    replay_put_dword(ret);
    replay_put_array(data, size);
    return ft_log_position();
}

/*** The vCPU's loop, replaying ***/

static void ft_try_go_live(void);

/* The interrupt that comes next: it was looked for so often, since then. */
static struct {
    uint64_t cursor;
    int64_t since;
    unsigned looks;
} interrupt;

static void ft_look_for_interrupt(void)
{
    if (interrupt.cursor != ft_log.cursor) {
        interrupt.cursor = ft_log.cursor;
        interrupt.since = get_clock();
        interrupt.looks = 0;
    }
    if (++interrupt.looks > INTERRUPT_LOOKS &&
        get_clock() - interrupt.since > INTERRUPT_NS) {
        ft_diverged("an interrupt", "a machine that has none, or masks it");
    }
}

void ft_vcpu_replay_events(CPUState *cpu)
{
    ft_engine.dozed = false;
    while (!cpu->stop && runstate_is_running() && !ft_engine.diverged) {
        unsigned kind = ft_next_kind();
        uint64_t cursor = ft_log.cursor;

        if (kind == EVENT_INSTRUCTION || kind == EVENT_INTERRUPT) {
            if (kind == EVENT_INSTRUCTION && cpu->halted &&
                !cpu_has_work(cpu)) {
                ft_diverged("a running CPU", "a halted one");
            }
            if (kind == EVENT_INTERRUPT) {
                ft_look_for_interrupt();
            }
            return;
        }
        if (kind == EVENT_NONE) {
            ft_try_go_live();
            return;
        }
        if (ft_kind_is_main_loops(kind)) {
            if (kind >= EVENT_SHUTDOWN && kind <= EVENT_SHUTDOWN_LAST) {
                replay_next_event_is(-1);   /* carries it out */
                continue;
            }
            qemu_notify_event();
            return;
        }
        ft_replay_event(kind);
        if (ft_disk_awaits_storage()) {
            return;
        }
        /* A clock's event may be all there is: its fetch moved the cursor. */
        if (cursor == ft_log.cursor && replay_state.has_unread_data &&
            kind == replay_state.data_kind) {
            g_autofree char *want = g_strdup_printf("log event %u", kind);

            ft_diverged(want, "a machine that has no such thing to do");
        }
    }
}

void ft_replay_until_reset(void)
{
    bool ended;

    if (!ft_is_backup() || !cpu_is_stopped(first_cpu)) {
        return;
    }
    do {
        ft_vcpu_replay_events(first_cpu);
        ended = ft_log_ends();
        ft_log_want_doorbell();
    } while ((ended && !ft_log_ends() && ft_is_backup()) ||
             (ft_disk_awaits_storage() && !ft_storage_want_bell()));
}

/*** Going live ***/

static bool ft_is_drained(void)
{
    return ft_next_kind() == EVENT_NONE && replay_state.instruction_count == 0;
}

/* Replay mutex and BQL held, the vCPU is not in its loop. */
static void ft_try_go_live(void)
{
    int64_t drain_us;

    if (!ft_engine.go_live_since || !ft_is_drained()) {
        return;
    }
    drain_us = (get_clock() - ft_engine.go_live_since) / 1000;
    ft_engine.go_live_since = 0;

    /*
     * From here on every clock is read, not replayed.  None may step back
     * behind the last value that the guest has seen.
     */
    cpu_clock_advance_to(replay_state.cached_clock[REPLAY_CLOCK_VIRTUAL_RT]);
    replay_state.data_kind = -1;
    replay_state.has_unread_data = 0;
    replay_state.read_event_id = -1;
    assert(replay_state.current_icount == replay_get_current_icount());

    ft_log_take_over();
    replay_mode = REPLAY_MODE_RECORD;
    ft_output_go_live();
    ft_disk_go_live();
    qapi_event_send_ft_live(ft_log.cursor, drain_us);
    /* Deadlines of the clocks count again. */
    qemu_notify_event();
    qemu_cpu_kick(first_cpu);
}

void ft_go_live(uint64_t position, Error **errp)
{
    if (replay_mode != REPLAY_MODE_PLAY) {
        error_setg(errp, "this VM is live already");
        return;
    }
    if (ft_engine.diverged) {
        error_setg(errp, "this VM has diverged from its primary");
        return;
    }
    if (ft_log_committed() < position) {
        error_setg(errp, "the log is here through %" PRIu64 " only, "
                   "not through %" PRIu64, ft_log_committed(), position);
        return;
    }
    ft_engine.go_live_since = get_clock();
    ft_try_go_live();
    qemu_cpu_kick(first_cpu);
}

/*** The doorbell and the orphan rule: main loop, both locks held ***/

static void ft_doorbell(void *opaque)
{
    ft_log_clear_doorbell();
    if (replay_mode == REPLAY_MODE_RECORD) {
        uint64_t acknowledged, lease;

        do {
            acknowledged = ft_log_acknowledged();
            lease = ft_log_lease();
            if (!ft_output_release_through(acknowledged)) {
                break;
            }
            ft_log_want_doorbell();
        } while (acknowledged != ft_log_acknowledged() ||
                 lease != ft_log_lease());
        ft_disk_look_at_backup();
    }
    if (first_cpu) {
        qemu_cpu_kick(first_cpu);
    }
}

static void ft_orphan_tick(void *opaque)
{
    uint64_t beat = __atomic_load_n(&ft_log.ring->owner_beat,
                                    __ATOMIC_SEQ_CST);
    bool matters = replay_mode == REPLAY_MODE_PLAY || ft_log.ring->holding;

    timer_mod(ft_engine.orphan_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ORPHAN_POLL_MS);
    if (!matters || beat != ft_engine.last_beat) {
        ft_engine.last_beat = beat;
        ft_engine.silent_polls = 0;
        ft_engine.orphaned = false;
        return;
    }
    if (ft_engine.orphaned || ++ft_engine.silent_polls < ORPHAN_POLLS) {
        return;
    }
    ft_engine.orphaned = true;
    qapi_event_send_ft_orphaned();
    if (replay_mode == REPLAY_MODE_PLAY) {
        error_report("ftd has been silent for 2 s: this backup ends");
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_HOST_ERROR);
    } else {
        error_report("ftd has been silent for 2 s: this VM pauses until "
                     "its owner is known");
        qemu_system_vmstop_request_prepare();
        qemu_system_vmstop_request(RUN_STATE_PAUSED);
    }
}

void ft_protect(bool on)
{
    ft_log.ring->holding = on;
    ft_engine.silent_polls = 0;
    if (on) {
        ft_output_reset_figures();
    } else {
        ft_log_discard();
        ft_output_release_all();
        ft_storage_look();
        ft_disk_look_at_backup();
        qemu_cpu_kick(first_cpu);
    }
}

/*** Start-up ***/

/*
 * What is known to replay.  Anything else may reach the guest past the log
 * (random numbers, host memory, other threads) and is refused by name.
 */
static int ft_check_device(Object *obj, void *opaque)
{
    static const char *const accepted[] = {
        "i440FX", "PIIX3", "piix3-ide", "PIIX4_PM", "virtio-net-pci",
        "virtio-net-pci-transitional", "virtio-net-pci-non-transitional",
        "virtio-blk-pci", "virtio-blk-pci-transitional",
        "virtio-blk-pci-non-transitional", "virtio-scsi-pci",
        "virtio-scsi-pci-transitional", "virtio-scsi-pci-non-transitional",
        "e1000", "VGA", "piix3-usb-uhci", "usb-tablet",
    };
    const char *type = object_get_typename(obj);
    size_t i;

    if (!object_dynamic_cast(obj, TYPE_PCI_DEVICE) &&
        !object_dynamic_cast(obj, "usb-device")) {
        return 0;
    }
    for (i = 0; i < ARRAY_SIZE(accepted); i++) {
        if (g_str_equal(type, accepted[i])) {
            return 0;
        }
    }
    error_report("device '%s' is not known to replay the same twice; "
                 "remove it (network: virtio-net-pci or e1000, disk: "
                 "virtio-blk-pci or virtio-scsi-pci)", type);
    exit(1);
}

bool ft_start(const char *path, Error **errp)
{
    return ft_log_open(path, errp);
}

/* The machine exists; before the VM first runs. */
void ft_start_loop(void)
{
    Error *err = NULL;

    if (!ft_disk_check(&err)) {
        error_report_err(err);
        exit(1);
    }
    object_child_foreach_recursive(object_get_root(), ft_check_device, NULL);
    qemu_set_fd_handler(ft_log.to_engine, ft_doorbell, NULL, NULL);
    ft_pace_start();
    ft_clone_start_up();
    ft_engine.orphan_timer = timer_new_ms(QEMU_CLOCK_REALTIME,
                                          ft_orphan_tick, NULL);
    timer_mod(ft_engine.orphan_timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + ORPHAN_POLL_MS);
}
