/*
 * The output rule
 *
 * "The primary VM may not send an output to the external world, until the
 * backup VM has received and acknowledged the log entry associated with the
 * operation producing the output." (Scales, Nelson, Venkitachalam 2010, 2.2)
 *
 * Recording, an output is held here until 'acknowledged' has reached its
 * tag, the end of the entry that explains it; only the output waits, the VM
 * runs on.  Replaying, outputs are kept until the primary says that it has
 * released them; whatever is left at go live leaves then, so that a reply
 * that was acknowledged but never sent does not wait for a retransmission
 * (one that was sent already arrives twice, which every network may do).
 *
 * All of this runs under the replay mutex except where said; sending takes
 * the BQL as well.  Changes of disks are held in block/ft-storage.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/queue.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "net/filter.h"
#include "sysemu/replay.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"
#include "ft-output.h"

typedef struct HeldOutput {
    QTAILQ_ENTRY(HeldOutput) next;
    void *owner;
    FtSend *send;
    uint64_t tag;       /* log offset; UINT64_MAX until its entry is closed */
    int64_t since_ns;   /* host's monotonic clock */
    size_t size;
    uint8_t data[];
} HeldOutput;

typedef struct Nic {
    QTAILQ_ENTRY(Nic) next;
    NetFilterState *nf;
    const FtNicOps *ops;
} Nic;

/* Replaying, what is kept for go live is bounded: the oldest go first. */
#define KEPT_OUTPUTS_MAX 4096

/* Delays of the last outputs released, for percentiles. */
#define DELAY_SAMPLES 16384

static QTAILQ_HEAD(, HeldOutput) held = QTAILQ_HEAD_INITIALIZER(held);
static QTAILQ_HEAD(, Nic) nics = QTAILQ_HEAD_INITIALIZER(nics);
static bool announced;
static uint64_t held_count, held_bytes, untagged_count;
static uint64_t released_count;
static uint32_t delay_us[DELAY_SAMPLES];

void ft_output_register(NetFilterState *nf, const FtNicOps *ops)
{
    Nic *nic = g_new0(Nic, 1);

    nic->nf = nf;
    nic->ops = ops;
    QTAILQ_INSERT_TAIL(&nics, nic, next);
}

void ft_output_unregister(NetFilterState *nf)
{
    Nic *nic, *next;

    QTAILQ_FOREACH_SAFE(nic, &nics, next, next) {
        if (nic->nf == nf) {
            QTAILQ_REMOVE(&nics, nic, next);
            g_free(nic);
        }
    }
}

bool ft_output_is_held(void)
{
    return replay_mode == REPLAY_MODE_PLAY || ft_log.ring->holding;
}

static void ft_output_forget(HeldOutput *out)
{
    QTAILQ_REMOVE(&held, out, next);
    held_count--;
    held_bytes -= out->size;
    g_free(out);
}

/* Replaying: the primary has released everything up to here. */
static void ft_output_drop_released(void)
{
    uint64_t released = __atomic_load_n(&ft_log.ring->peer_released,
                                        __ATOMIC_SEQ_CST);
    HeldOutput *out;

    while ((out = QTAILQ_FIRST(&held)) &&
           (out->tag <= released || held_count > KEPT_OUTPUTS_MAX)) {
        ft_output_forget(out);
    }
}

void ft_output_hold(void *owner, FtSend *send,
                    const uint8_t *data, size_t size)
{
    HeldOutput *out = g_malloc(sizeof(*out) + size);

    g_assert(replay_mutex_locked());
    out->owner = owner;
    out->send = send;
    out->since_ns = get_clock();
    out->size = size;
    if (size) {
        memcpy(out->data, data, size);
    }
    QTAILQ_INSERT_TAIL(&held, out, next);
    held_count++;
    held_bytes += size;

    if (replay_mode == REPLAY_MODE_PLAY) {
        out->tag = ft_log_position();
        ft_output_drop_released();
        return;
    }
    out->tag = UINT64_MAX;
    untagged_count++;
    ft_output_end_tenure();
}

void ft_output_end_tenure(void)
{
    if (current_cpu && current_cpu->running) {
        /* The entry is closed when the vCPU leaves its loop: now, please. */
        cpu_exit(current_cpu);
    }
}

bool ft_output_wants_tag(void)
{
    return untagged_count != 0;
}

/* The open entry was closed; it ends at 'position'. */
void ft_output_tag(uint64_t position)
{
    HeldOutput *out;

    QTAILQ_FOREACH_REVERSE(out, &held, next) {
        if (!untagged_count) {
            break;
        }
        out->tag = position;
        untagged_count--;
    }
}

/*
 * A host that stood still may have lost its VM meanwhile; what it was about
 * to send is another's to send.  The backup waits for the end of the lease
 * before it goes live.
 */
static bool ft_output_lease_stands(void)
{
    uint64_t until = ft_log_lease();
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return now.tv_sec * NANOSECONDS_PER_SECOND + now.tv_nsec < until;
}

bool ft_output_may_leave(uint64_t tag)
{
    return tag <= ft_log_acknowledged() && ft_output_lease_stands();
}

void ft_output_left(int64_t delay_ns)
{
    delay_us[released_count++ % DELAY_SAMPLES] =
        MIN(delay_ns / 1000, UINT32_MAX);
}

/*
 * Send what is tagged at or below 'position', while the lease stands.  True
 * if anything is left.
 */
bool ft_output_release_through(uint64_t position)
{
    HeldOutput *out;

    while ((out = QTAILQ_FIRST(&held)) && out->tag <= position &&
           ft_output_lease_stands()) {
        ft_output_left(get_clock() - out->since_ns);
        out->send(out->owner, out->data, out->size);
        __atomic_store_n(&ft_log.ring->released, out->tag, __ATOMIC_SEQ_CST);
        ft_output_forget(out);
    }
    return !QTAILQ_EMPTY(&held);
}

/* Nobody has to acknowledge anything any more: send everything. */
void ft_output_release_all(void)
{
    HeldOutput *out;

    while ((out = QTAILQ_FIRST(&held))) {
        out->send(out->owner, out->data, out->size);
        ft_output_forget(out);
    }
    untagged_count = 0;
}

/*
 * This VM will go live, and no other: what is sent to the guest from now on
 * shall come here and wait, not be lost at a host that is no more.
 */
void ft_output_announce(void)
{
    Nic *nic;

    announced = true;
    QTAILQ_FOREACH(nic, &nics, next) {
        nic->ops->announce(nic->nf);
    }
}

bool ft_output_is_announced(void)
{
    return announced && replay_mode == REPLAY_MODE_PLAY;
}

/*
 * This VM is live now.  Announced once more: the primary's last packets may
 * have drawn the bridges' attention back to its host.
 */
void ft_output_go_live(void)
{
    Nic *nic;

    ft_output_drop_released();
    ft_output_announce();
    ft_output_release_all();
    QTAILQ_FOREACH(nic, &nics, next) {
        nic->ops->deliver(nic->nf);
    }
}

/* Begin a new protection: figures start anew. */
void ft_output_reset_figures(void)
{
    released_count = 0;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void ft_output_figures(FtOutputFigures *f)
{
    size_t n = MIN(released_count, DELAY_SAMPLES);

    *f = (FtOutputFigures) {
        .held = held_count + ft_storage_held(),
        .held_bytes = held_bytes,
        .released = released_count,
    };
    if (n) {
        g_autofree uint32_t *sorted = g_memdup2(delay_us, n * sizeof(*sorted));

        qsort(sorted, n, sizeof(*sorted), compare_u32);
        f->delay_us_p50 = sorted[n / 2];
        f->delay_us_p99 = sorted[n - 1 - n / 100];
    }
}
