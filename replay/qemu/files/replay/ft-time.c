/*
 * Guest time: QEMU_CLOCK_VIRTUAL follows the host's clock
 *
 * Counting instructions, QEMU_CLOCK_VIRTUAL advances by a number of
 * nanoseconds for each instruction.  A fixed number makes the guest's clock
 * run at the speed of its instructions; here it is a rate that follows how
 * fast they are executed, corrected so that the clock stays with
 * QEMU_CLOCK_VIRTUAL_RT, the host's.  Each new rate is an event of the log,
 * between two instructions, and is the only thing that is logged: a replay
 * computes the same times.  The rate is positive, so time never steps back.
 *
 * An idle guest is warped to the host's clock (icount_warp_rt()).
 *
 * The vCPU's thread, under the replay mutex, except where said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "sysemu/cpu-timers.h"
#include "sysemu/replay.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"

/* How often the clocks are compared, and the longest run between two looks. */
#define LOOK_NS         (2 * SCALE_MS)
/* What a look has to have seen to know the guest's speed. */
#define RUN_NS_MIN      (SCALE_MS / 2)
/* A difference of the clocks is worked off in about this time, at half the
 * host's pace at the least and at twice it at the most. */
#define WORK_OFF_NS     (40 * SCALE_MS)
/* No new rate while the old one keeps the clocks this near until then. */
#define GOOD_NS         (1 * SCALE_MS)
#define GOOD_FOR_NS     (20 * SCALE_MS)
/* 2^32 instructions times the highest rate still fit into 63 bits. */
#define REBASE_INSNS    (1LL << 32)

/*
 * So long at the most does another thread wait until the vCPU looks at what
 * it asks for.  Leaving and entering translated code takes 0.1 us.
 */
#define CHUNK_NS        (25 * SCALE_US)
/* Until the guest's speed is known. */
#define CHUNK_INSNS     4096

#define RATE_MIN        (ICOUNT_RATE_ONE / 64)
#define RATE_MAX        (ICOUNT_RATE_ONE * 64)

static struct {
    int64_t run_ns;         /* since the last look */
    int64_t icount;         /* at the last look */
    int64_t looked;         /* get_clock() */
    int64_t ns_per_insn;    /* measured, times ICOUNT_RATE_ONE; 0: not yet */
} guest_time;

void ft_time_ran(int64_t ns)
{
    guest_time.run_ns += ns;
}

/* Any number, as a rate. */
static int64_t rate_of(int64_t value)
{
    return MAX(RATE_MIN, MIN(RATE_MAX, value));
}

static void ft_time_measure(int64_t now, int64_t icount)
{
    int64_t insns = icount - guest_time.icount;

    if (insns > 0 && guest_time.run_ns >= RUN_NS_MIN) {
        int64_t measured = rate_of(guest_time.run_ns * ICOUNT_RATE_ONE /
                                   insns);

        guest_time.ns_per_insn = guest_time.ns_per_insn ?
            (guest_time.ns_per_insn + measured) / 2 : measured;
        guest_time.run_ns = 0;
        guest_time.icount = icount;
    }
    guest_time.looked = now;
}

/* BQL held. */
void ft_time_look(void)
{
    int64_t now, icount, behind, drift, rate = icount_get_rate();

    if (!ft_enabled() || replay_mode != REPLAY_MODE_RECORD) {
        return;
    }
    now = get_clock();
    if (now - guest_time.looked < LOOK_NS) {
        return;
    }
    icount = icount_get_raw();
    ft_time_measure(now, icount);
    if (!guest_time.ns_per_insn) {
        return;
    }
    behind = cpu_get_clock() - icount_get();
    /* Of a second of the host, in 1/1024, the part that the guest lacks. */
    drift = 1024 - rate * 1024 / guest_time.ns_per_insn;
    if (llabs(behind + GOOD_FOR_NS / 1024 * drift) < GOOD_NS &&
        icount - icount_get_rate_base() < REBASE_INSNS) {
        return;
    }
    behind = MAX(-WORK_OFF_NS / 2, MIN(WORK_OFF_NS, behind));
    rate = rate_of(guest_time.ns_per_insn * (WORK_OFF_NS / 1024 +
                                             behind / 1024) /
                   (WORK_OFF_NS / 1024));
    replay_save_instructions();
    replay_put_event(EVENT_FT_RATE);
    replay_put_dword(rate);
    icount_set_rate(rate);
}

void ft_time_replay(void)
{
    uint32_t rate = replay_get_dword();

    replay_finish_event();
    icount_set_rate(rate_of(rate));
}

int64_t ft_time_limit(int64_t insns)
{
    int64_t most;

    if (!ft_enabled() || !guest_time.ns_per_insn) {
        return insns;
    }
    most = LOOK_NS * ICOUNT_RATE_ONE / guest_time.ns_per_insn;
    return MIN(insns, 2 * most);
}

int ft_time_chunk(void)
{
    if (!guest_time.ns_per_insn) {
        return CHUNK_INSNS;
    }
    return MIN(UINT16_MAX,
               CHUNK_NS * ICOUNT_RATE_ONE / guest_time.ns_per_insn);
}
