/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log ring: the shared memory between the engine (patched QEMU) and ftd.
 *
 * Plain C, because both sides include this very file: the engine's build
 * copies it into QEMU's tree. It is a file on tmpfs, mapped by both. It
 * outlives either process: a restarted ftd maps it again and goes on from
 * the positions it finds.
 *
 *     offset 0       struct ft_ring (one page)
 *     offset 4096    data_size bytes of log, a power of two; the byte of log
 *                    offset o lies at data[o & (data_size - 1)]
 *
 * Beside the file PATH lie three FIFOs, the doorbells: PATH.to-ftd (the engine
 * writes, ftd reads), PATH.to-engine and PATH.to-storage (the other way: the
 * engine's main loop, and the thread that waits until it may change a disk).
 * Each side opens all of them O_RDWR | O_NONBLOCK, so neither sees an end of
 * file when the other dies. The engine creates all four files.
 *
 * All offsets are bytes since the birth of the log; they only grow. The log
 * is a sequence of *entries*:
 *
 *      0        8                32
 *      +--------+-----------------+----------------------+
 *      | kind   | payload length  | payload ...          |   little endian
 *      +--------+-----------------+----------------------+
 *
 * `committed` and every other position here always lies between two entries,
 * never inside one. One entry holds one event group: everything that the
 * engine recorded during one tenure of QEMU's replay mutex. A log cut after
 * any entry is a complete explanation of the machine up to that point, so a
 * backup may go live there.
 *
 * Direction FT_RING_RECORD (a live VM): the engine appends and moves
 * `committed`; ftd reads, sends, and moves `acknowledged`; space behind
 * `acknowledged` is free. Direction FT_RING_REPLAY (a backup): ftd appends
 * and moves `committed`; the engine replays and moves `consumed`; space
 * behind `consumed` is free.
 *
 * Doorbell protocol (both directions): the waiting side stores 1 in its
 * `*_sleeping` word (seq_cst), looks at the positions once more, then waits
 * for its FIFO to become readable, drains it and stores 0. The moving side
 * stores the position (seq_cst), and if the word is 1 exchanges it with 0
 * and writes one byte into the FIFO. No wake-up is lost, and a busy pair
 * makes no system call.
 */
#ifndef FT_RING_LAYOUT_H
#define FT_RING_LAYOUT_H

#include <stdint.h>

#define FT_RING_MAGIC 0x474e5246u /* "FRNG" */
/* Any change to this file's structures needs a new version; both sides
 * refuse any other. */
#define FT_RING_VERSION 5u
#define FT_RING_HEADER_BYTES 4096u
/* 32 MiB: eight times the largest entry below leaves three quarters of the
 * ring to ride out a slow log channel: at the 3 Mbit/s of a compile-like
 * guest that is over a minute. */
#define FT_RING_DATA_BYTES_DEFAULT (32u << 20)

/* Entry header word: kind | payload length << 8. */
#define FT_ENTRY_HEADER_BYTES 4u
/* One event group is bounded by what the network filter queues between two
 * visits of the vCPU: 256 packets of at most 65 550 bytes would be 16 MiB,
 * so the filter bounds bytes as well (2 MiB); 4 MiB is twice that. */
#define FT_ENTRY_PAYLOAD_BYTES_MAX (4u << 20)

/* A VM runs at a tenth of its speed at least: it must live to be saved. */
#define FT_RING_PACE_MAX 900u

enum ft_entry_kind {
    /* A group of the engine's replay events; opaque to ftd. */
    FT_ENTRY_EVENTS = 1,
};

enum ft_ring_direction {
    FT_RING_RECORD = 1,
    FT_RING_REPLAY = 2,
};

enum ft_log_mode {
    /* No backup: the engine moves `acknowledged` itself, nothing is kept. */
    FT_LOG_DISCARD = 0,
    /* Every entry stays until ftd moves `acknowledged`. Entered at the
     * position of a clone, left by x-ft-unprotect. */
    FT_LOG_KEEP = 1,
};

enum ft_digests {
    /* Registers and a piece of RAM ten times a second, devices every second:
     * under 1 % of a CPU. */
    FT_DIGESTS_STEADY = 0,
    /* Registers, devices and every page that was written, with each tenure
     * of the vCPU: many times slower; to find the first wrong event. */
    FT_DIGESTS_DENSE = 1,
};

struct ft_ring {
    /* Written once, by the engine, before QMP answers. */
    uint32_t magic;
    uint32_t version;
    uint64_t data_size;
    char engine_build[64]; /* NUL-terminated; both sides of a pair must agree */
    int32_t engine_pid;
    uint32_t reserved0;

    /* Written by the engine only. */
    uint32_t direction; /* enum ft_ring_direction */
    uint32_t log_mode;  /* enum ft_log_mode; FT_RING_RECORD only */
    uint32_t holding;   /* 1: the output rule is in force */
    uint32_t reserved1;
    uint64_t released;  /* outputs tagged at or below this have left */

    /* One writer per line, see "Direction" above. */
    uint64_t committed __attribute__((aligned(64)));
    uint64_t consumed __attribute__((aligned(64)));

    /* Written by ftd; in FT_LOG_DISCARD by the engine. */
    uint64_t acknowledged __attribute__((aligned(64)));
    /* Written by ftd only. */
    /* FT_RING_RECORD: the backup's engine has carried out the log up to here;
     * 0: there was no backup yet. Grows. */
    uint64_t replayed;
    /* FT_RING_REPLAY: outputs tagged at or below this were released by the
     * primary; a go live need not issue them again. */
    uint64_t peer_released;
    /* The output lease: held outputs leave only before this moment of
     * CLOCK_BOOTTIME, in nanoseconds. UINT64_MAX: no lease, the engine's own
     * beginning; 0: nothing leaves. ftd renews it before `acknowledged` and
     * rings the doorbell. Without effect where nothing is held. */
    uint64_t lease_until;
    /* Grows by one at least every 100 ms while ftd lives. An engine that
     * holds outputs and sees it stand still for 2 s pauses its VM: whoever
     * owns the VM now, it is not this host. */
    uint64_t owner_beat;
    /* FT_LOG_KEEP: of every 1000 units of time, how many the vCPU rests, so
     * that the backup can keep up; at most FT_RING_PACE_MAX. */
    uint32_t pace;
    /* enum ft_digests: FT_LOG_KEEP only. */
    uint32_t digests;

    /* Written by the engine only: what it waits for `replayed` to reach;
     * UINT64_MAX: nothing. Until then ftd moves `replayed` without ringing. */
    uint64_t replayed_wanted __attribute__((aligned(64)));

    uint32_t ftd_sleeping __attribute__((aligned(64)));
    uint32_t engine_sleeping;
    uint32_t storage_sleeping; /* waits for `acknowledged` and the lease */
};

#endif /* FT_RING_LAYOUT_H */
