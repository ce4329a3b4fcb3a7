/*
 * Digests: does the replaying machine have the recording one's state?
 *
 * While the log is kept, the recording VM puts into it, between two
 * instructions and at a steady rate, a checksum of its vCPU's registers and
 * one of the next piece of its RAM, piece by piece around.  The replaying VM
 * compares them with its own at the same instruction.  So a wrong bit is
 * found within one cycle through RAM, whether or not the guest ever looks at
 * it, and a wrong register at once.  Once a second a checksum of each
 * device's state follows (ft-state.c).
 *
 * Who looks for the first wrong event asks for dense digests (ring_layout.h):
 * registers, devices and every page that was written, with each tenure.
 *
 * Checksums are zlib's.  Cost: see DIGEST_NS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <zlib.h>
#include "qemu/timer.h"
#include "qemu/units.h"
#include "hw/core/cpu.h"
#include "exec/cpu-common.h"
#include "exec/ramblock.h"
#include "qemu/rcu.h"
#include "sysemu/replay.h"
#include "replay-internal.h"
#include "ft/ft.h"
#include "ft-internal.h"
#include "ft-engine.h"

/*
 * Half a mebibyte every 100 ms: about 0.4 ms of checksums, 0.4 % of a CPU,
 * and 512 MiB of RAM in 100 s.
 */
#define DIGEST_NS   (100 * SCALE_MS)
#define PIECE_BYTES (512 * KiB)
/* A checksum of all devices takes as long as one of a piece of RAM. */
#define DEVICES_EVERY   10
/* Of register digests, 12 s: so long may a backup be behind. */
#define KEPT            128

static struct {
    int64_t last;       /* get_clock() */
    uint64_t piece;     /* the next one, counted through all RAM blocks */
    uint64_t count;
    uint64_t dense_at;  /* log position of the last dense one */
} digest;

/* The log is kept from here on. */
void ft_digest_restart(void)
{
    digest.dense_at = 0;
    digest.count = 0;       /* the first has the devices */
}

/* The last register digests in plain text, for x-ft-registers. */
static struct {
    uint64_t icount;
    char *text;
} kept[KEPT];

uint64_t ft_digest_cpu(void)
{
    static unsigned next;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    cpu_dump_state(first_cpu, f, CPU_DUMP_FPU);
    fclose(f);
    free(kept[next % KEPT].text);
    kept[next % KEPT].text = text;
    kept[next++ % KEPT].icount = replay_state.current_icount;
    return (uint64_t)crc32(0, (void *)text, size) << 32 |
           adler32(1, (void *)text, size);
}

const char *ft_digest_text(uint64_t icount)
{
    int i;

    for (i = 0; i < KEPT; i++) {
        if (kept[i].text && kept[i].icount == icount) {
            return kept[i].text;
        }
    }
    return NULL;
}

typedef struct Piece {
    uint64_t before;    /* pieces to pass over */
    uint32_t sum;
    bool found;
} Piece;

static int ft_digest_piece_in(RAMBlock *block, void *opaque)
{
    ram_addr_t length = qemu_ram_get_used_length(block);
    uint64_t pieces = DIV_ROUND_UP(length, PIECE_BYTES);
    Piece *piece = opaque;
    ram_addr_t at;

    if (piece->before >= pieces) {
        piece->before -= pieces;
        return 0;
    }
    at = piece->before * PIECE_BYTES;
    piece->sum = crc32(0, (uint8_t *)qemu_ram_get_host_addr(block) + at,
                       MIN(PIECE_BYTES, length - at));
    piece->found = true;
    return 1;
}

/* False behind the last piece. */
static bool ft_digest_piece(uint64_t number, uint32_t *sum)
{
    Piece piece = { .before = number };

    WITH_RCU_READ_LOCK_GUARD() {
        qemu_ram_foreach_block(ft_digest_piece_in, &piece);
    }
    *sum = piece.sum;
    return piece.found;
}

/* The vCPU's thread between two runs, replay mutex and BQL held. */
void ft_digest_look(void)
{
    int64_t now;
    uint32_t sum;

    if (!ft_enabled() || replay_mode != REPLAY_MODE_RECORD ||
        ft_log.ring->log_mode != FT_LOG_KEEP) {
        return;
    }
    if (ft_log.ring->digests == FT_DIGESTS_DENSE) {
        /* Something was recorded since the last one. */
        if (ft_log.cursor != digest.dense_at) {
            replay_save_instructions();
            ft_state_record(!digest.dense_at);
            ft_devices_record();
            digest.dense_at = ft_log.cursor;
        }
        return;
    }
    digest.dense_at = 0;
    now = get_clock();
    if (now - digest.last < DIGEST_NS) {
        return;
    }
    digest.last = now;
    if (!ft_digest_piece(digest.piece, &sum)) {
        digest.piece = 0;
        ft_digest_piece(0, &sum);
    }
    replay_save_instructions();
    replay_put_event(EVENT_FT_DIGEST);
    replay_put_dword(ft_digest_cpu() >> 32);
    replay_put_dword(digest.piece++);
    replay_put_dword(sum);
    if (!(digest.count++ % DEVICES_EVERY)) {
        ft_devices_record();
    }
}

void ft_digest_differs(const char *what, uint32_t expected, uint32_t got)
{
    g_autofree char *e = g_strdup_printf("%s with checksum %08x", what,
                                         expected);
    g_autofree char *g = g_strdup_printf("%08x", got);

    ft_diverged(e, g);
}

void ft_digest_replay(void)
{
    uint32_t cpu = replay_get_dword();
    uint32_t piece = replay_get_dword();
    uint32_t ram = replay_get_dword();
    uint32_t own_cpu = ft_digest_cpu() >> 32, own_ram = 0;

    replay_finish_event();
    if (own_cpu != cpu) {
        ft_digest_differs("vCPU registers", cpu, own_cpu);
    } else if (!ft_digest_piece(piece, &own_ram) || own_ram != ram) {
        g_autofree char *what =
            g_strdup_printf("%d KiB of RAM from %" PRIu64 " KiB on",
                            (int)(PIECE_BYTES / KiB),
                            piece * (uint64_t)(PIECE_BYTES / KiB));

        ft_digest_differs(what, ram, own_ram);
    }
}
