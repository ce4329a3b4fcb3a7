/*
 * Pace: a VM that records faster than its backup replays is held back
 *
 * ftd knows how far the backup is behind and writes into the ring which
 * share of the time the vCPU has to rest (VMware FT section 2.4: a primary
 * is slowed down rather than let its backup fall behind).  The time that the
 * vCPU ran is measured, and rests are taken in steps that are long against a
 * wake-up and short against what anybody would call a hang.
 *
 * The vCPU's thread, except where said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "sysemu/replay.h"
#include "ft/ft.h"
#include "ft-internal.h"

/* No rest is shorter or longer than these. */
#define REST_NS_MIN (1 * SCALE_MS)
#define REST_NS_MAX (10 * SCALE_MS)

static struct {
    QEMUTimer *timer;       /* ends the rest */
    int64_t run_since;      /* get_clock() */
    int64_t owed_ns;
    int64_t rest_until;     /* get_clock() */
} pace;

static uint32_t ft_pace(void)
{
    if (!ft_enabled() || replay_mode != REPLAY_MODE_RECORD ||
        ft_log.ring->log_mode != FT_LOG_KEEP) {
        return 0;
    }
    return MIN(__atomic_load_n(&ft_log.ring->pace, __ATOMIC_RELAXED),
               FT_RING_PACE_MAX);
}

void ft_pace_run_begins(void)
{
    if (ft_enabled() && replay_mode == REPLAY_MODE_RECORD) {
        pace.run_since = get_clock();
    }
}

/* BQL held, so that ft_pace_rests() never sees half of it. */
void ft_pace_run_ends(void)
{
    uint32_t share = ft_pace();
    int64_t now, rest;

    if (!ft_enabled() || replay_mode != REPLAY_MODE_RECORD) {
        return;
    }
    now = get_clock();
    ft_time_ran(now - pace.run_since);
    if (!share) {
        pace.owed_ns = 0;
        return;
    }
    pace.owed_ns += (now - pace.run_since) * share / (1000 - share);
    if (pace.owed_ns < REST_NS_MIN) {
        return;
    }
    rest = MIN(pace.owed_ns, REST_NS_MAX);
    pace.owed_ns = 0;
    pace.rest_until = now + rest;
    timer_mod_ns(pace.timer, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) + rest);
}

/* BQL held. */
bool ft_pace_rests(void)
{
    return pace.rest_until && ft_pace() && get_clock() < pace.rest_until;
}

/* Main loop, BQL held. */
static void ft_pace_rested(void *opaque)
{
    pace.rest_until = 0;
    qemu_cpu_kick(first_cpu);
}

void ft_pace_start(void)
{
    pace.timer = timer_new_ns(QEMU_CLOCK_REALTIME, ft_pace_rested, NULL);
}
