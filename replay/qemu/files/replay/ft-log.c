/*
 * The log ring, engine's side
 *
 * Replaces the record/replay file by a ring in shared memory, from which a
 * separate process streams the log to a backup (recording) or into which it
 * puts the log of a primary (replaying).  The layout, and the promises that
 * both sides keep, are in include/ft/ring_layout.h.
 *
 * Recording, bytes are written behind 'committed', where the reader never
 * looks, and become one entry when the replay mutex is released.  So an
 * entry is everything that one tenure of the mutex recorded, and whoever
 * replays whole entries never stands in the middle of an operation whose
 * rest is yet to come.
 *
 * Everything here runs under the replay mutex unless it says otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "qapi/error.h"
#include "sysemu/replay.h"
#include "ft/engine_build.h"
#include "ft/ft.h"
#include "ft-internal.h"

/*
 * So long does ftd not hear of what nobody waits for, or until the vCPU next
 * leaves its loop, some milliseconds.
 */
#define CALL_NS     (500 * SCALE_US)

FtLog ft_log;

static uint64_t load64(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void store64(uint64_t *p, uint64_t value)
{
    __atomic_store_n(p, value, __ATOMIC_SEQ_CST);
}

static int ft_log_open_fifo(const char *path, const char *suffix, Error **errp)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);
    int fd;

    unlink(name);
    if (mkfifo(name, 0600) < 0) {
        error_setg_errno(errp, errno, "cannot create doorbell '%s'", name);
        return -1;
    }
    fd = qemu_open_old(name, O_RDWR | O_NONBLOCK);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot open doorbell '%s'", name);
    }
    return fd;
}

/* At start-up, before there is any other thread. */
bool ft_log_open(const char *path, Error **errp)
{
    size_t bytes = FT_RING_HEADER_BYTES + FT_RING_DATA_BYTES_DEFAULT;
    struct ft_ring *ring;
    void *map;
    int fd;

    QEMU_BUILD_BUG_ON(sizeof(struct ft_ring) > FT_RING_HEADER_BYTES);
    QEMU_BUILD_BUG_ON(sizeof(FT_ENGINE_BUILD) > sizeof(ring->engine_build));

    ft_log.to_ftd = ft_log_open_fifo(path, ".to-ftd", errp);
    if (ft_log.to_ftd < 0) {
        return false;
    }
    ft_log.to_engine = ft_log_open_fifo(path, ".to-engine", errp);
    if (ft_log.to_engine < 0) {
        return false;
    }

    ft_log.to_storage = ft_log_open_fifo(path, ".to-storage", errp);
    if (ft_log.to_storage < 0) {
        return false;
    }

    /* A new file: whoever still maps an old one keeps the old one. */
    unlink(path);
    fd = qemu_open_old(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot create log ring '%s'", path);
        return false;
    }
    /* Allocated now: a full tmpfs is an error here, not a SIGBUS later. */
    errno = posix_fallocate(fd, 0, bytes);
    if (errno) {
        error_setg_errno(errp, errno, "cannot allocate log ring '%s'", path);
        close(fd);
        return false;
    }
    map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED) {
        error_setg_errno(errp, errno, "cannot map log ring '%s'", path);
        return false;
    }

    ring = map;
    ring->version = FT_RING_VERSION;
    ring->data_size = FT_RING_DATA_BYTES_DEFAULT;
    ring->engine_pid = getpid();
    pstrcpy(ring->engine_build, sizeof(ring->engine_build), FT_ENGINE_BUILD);
    ring->direction = FT_RING_RECORD;
    ring->log_mode = FT_LOG_DISCARD;
    ring->lease_until = UINT64_MAX;
    ring->replayed_wanted = UINT64_MAX;
    __atomic_store_n(&ring->magic, FT_RING_MAGIC, __ATOMIC_SEQ_CST);

    ft_log.ring = ring;
    ft_log.data = (uint8_t *)map + FT_RING_HEADER_BYTES;
    ft_log.mask = FT_RING_DATA_BYTES_DEFAULT - 1;
    ft_log.cursor = ft_log.entry_start = 0;
    return true;
}

bool ft_enabled(void)
{
    return ft_log.ring != NULL;
}

bool ft_is_backup(void)
{
    return ft_enabled() && replay_mode == REPLAY_MODE_PLAY;
}

static void copy_in(uint64_t at, const void *buf, size_t size)
{
    size_t offset = at & ft_log.mask;
    size_t first = MIN(size, ft_log.mask + 1 - offset);

    memcpy(ft_log.data + offset, buf, first);
    memcpy(ft_log.data, (const uint8_t *)buf + first, size - first);
}

static void copy_out(uint64_t at, void *buf, size_t size)
{
    size_t offset = at & ft_log.mask;
    size_t first = MIN(size, ft_log.mask + 1 - offset);

    memcpy(buf, ft_log.data + offset, first);
    memcpy((uint8_t *)buf + first, ft_log.data, size - first);
}

static uint64_t ft_log_reusable(void)
{
    return load64(&ft_log.ring->acknowledged);
}

void ft_log_put(const void *buf, size_t size)
{
    if (ft_log.cursor == ft_log.entry_start) {
        ft_log.cursor += FT_ENTRY_HEADER_BYTES;
    }
    /*
     * The vCPU starts no tenure without room for the largest entry, and the
     * main loop's own entries are a few bytes in the reserve behind it.
     */
    if (ft_log.cursor + size - ft_log_reusable() > ft_log.mask + 1 ||
        ft_log.cursor + size - ft_log.entry_start >
        FT_ENTRY_HEADER_BYTES + FT_ENTRY_PAYLOAD_BYTES_MAX) {
        error_report("log entry at %" PRIu64 " outgrew its bound: "
                     "acknowledged %" PRIu64 ", at %" PRIu64 " + %zu",
                     ft_log.entry_start, ft_log_reusable(), ft_log.cursor,
                     size);
        abort();
    }
    copy_in(ft_log.cursor, buf, size);
    ft_log.cursor += size;
}

bool ft_log_entry_is_large(void)
{
    return ft_log.cursor - ft_log.entry_start > FT_ENTRY_PAYLOAD_BYTES_MAX / 2;
}

static void ft_log_ring_ftd(void)
{
    if (__atomic_load_n(&ft_log.ring->ftd_sleeping, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&ft_log.ring->ftd_sleeping, 0, __ATOMIC_SEQ_CST)) {
        /* A full FIFO is as good as one more byte in it. */
        if (write(ft_log.to_ftd, "", 1) < 0 && errno != EAGAIN) {
            error_report("doorbell of ftd: %s", strerror(errno));
        }
    }
}

/*
 * A position has moved.  A call may wake a sleeper, which costs more than a
 * small entry: unless somebody waits for what is in it (then
 * ft_log_call_now() follows) there is one call for what the vCPU does in
 * CALL_NS, or until it sleeps.
 */
static void ft_log_call_soon(void)
{
    if (current_cpu && get_clock() - ft_log.called < CALL_NS) {
        qatomic_mb_set(&ft_log.call_is_due, true);
        return;
    }
    ft_log_ring_ftd();
    if (current_cpu) {
        ft_log.called = get_clock();
        qatomic_set(&ft_log.call_is_due, false);
    }
}

/* The vCPU goes on; what it does next may be nothing for the log. */
void ft_log_call_when_due(void)
{
    if (qatomic_read(&ft_log.call_is_due)) {
        ft_log_call_soon();
    }
}

/* Any thread. */
void ft_log_call_now(void)
{
    if (qatomic_read(&ft_log.call_is_due) &&
        qatomic_xchg(&ft_log.call_is_due, false)) {
        ft_log_ring_ftd();
    }
}

/* Close the open entry, if there is one, and show it to the reader. */
void ft_log_commit(void)
{
    uint64_t start = ft_log.entry_start;
    uint32_t word;

    if (replay_mode != REPLAY_MODE_RECORD || ft_log.cursor == start) {
        return;
    }
    word = FT_ENTRY_EVENTS |
           (uint32_t)(ft_log.cursor - start - FT_ENTRY_HEADER_BYTES) << 8;
    word = cpu_to_le32(word);
    copy_in(start, &word, sizeof(word));
    ft_log.entry_start = ft_log.cursor;
    store64(&ft_log.ring->committed, ft_log.cursor);
    if (ft_log.ring->log_mode == FT_LOG_DISCARD) {
        store64(&ft_log.ring->acknowledged, ft_log.cursor);
    } else {
        ft_log_call_soon();
    }
}

/* The end of the entry that explains what happens now, in either mode. */
uint64_t ft_log_position(void)
{
    return replay_mode == REPLAY_MODE_PLAY ? ft_log.entry_end : ft_log.cursor;
}

/*
 * Step to the next byte to replay.  At the end of an entry: everything in it
 * is done, the space is given back, and the next entry is opened.  False if
 * there is no next entry yet.
 */
bool ft_log_next(void)
{
    uint32_t word, length;

    if (ft_log.cursor < ft_log.entry_end) {
        return true;
    }
    if (ft_log.cursor != ft_log.ring->consumed) {
        store64(&ft_log.ring->consumed, ft_log.cursor);
        ft_log_call_soon();
    }
    if (load64(&ft_log.ring->committed) == ft_log.cursor) {
        ft_log_call_now();
        return false;
    }
    copy_out(ft_log.cursor, &word, sizeof(word));
    word = le32_to_cpu(word);
    length = word >> 8;
    if ((word & 0xff) != FT_ENTRY_EVENTS || !length ||
        length > FT_ENTRY_PAYLOAD_BYTES_MAX ||
        ft_log.cursor + FT_ENTRY_HEADER_BYTES + length >
        load64(&ft_log.ring->committed)) {
        error_report("log entry at %" PRIu64 " has a bad header 0x%08x",
                     ft_log.cursor, word);
        exit(1);
    }
    ft_log.cursor += FT_ENTRY_HEADER_BYTES;
    ft_log.entry_end = ft_log.cursor + length;
    return true;
}

void ft_log_get(void *buf, size_t size)
{
    if (ft_log.cursor + size > ft_log.entry_end) {
        error_report("log entry ending at %" PRIu64 " is cut short: "
                     "%zu bytes wanted at %" PRIu64,
                     ft_log.entry_end, size, ft_log.cursor);
        exit(1);
    }
    copy_out(ft_log.cursor, buf, size);
    ft_log.cursor += size;
}

/* Recording: is there room for one more entry of the vCPU?  BQL suffices. */
bool ft_log_has_room(void)
{
    return load64(&ft_log.ring->committed) + 2 * FT_ENTRY_PAYLOAD_BYTES_MAX <
           ft_log_reusable() + ft_log.mask + 1;
}

/* Replaying: is there an entry that was not opened yet?  BQL suffices. */
bool ft_log_has_entry(void)
{
    return load64(&ft_log.ring->committed) > ft_log.entry_end;
}

uint64_t ft_log_committed(void)
{
    return load64(&ft_log.ring->committed);
}

uint64_t ft_log_acknowledged(void)
{
    return load64(&ft_log.ring->acknowledged);
}

uint64_t ft_log_lease(void)
{
    return load64(&ft_log.ring->lease_until);
}

/* Recording. */
uint64_t ft_log_replayed(void)
{
    if (replay_mode != REPLAY_MODE_RECORD ||
        ft_log.ring->log_mode != FT_LOG_KEEP) {
        return UINT64_MAX;
    }
    return load64(&ft_log.ring->replayed);
}

/* The caller looks once more, as below.  Until the next doorbell. */
void ft_log_want_replayed(uint64_t position)
{
    if (position < load64(&ft_log.ring->replayed_wanted)) {
        store64(&ft_log.ring->replayed_wanted, position);
    }
    ft_log_want_doorbell();
}

/*
 * Ask for a doorbell from ftd.  The caller then looks at the positions once
 * more before it waits.
 */
void ft_log_want_doorbell(void)
{
    __atomic_store_n(&ft_log.ring->engine_sleeping, 1, __ATOMIC_SEQ_CST);
}

static void ft_log_drain(int doorbell)
{
    char drain[64];

    while (read(doorbell, drain, sizeof(drain)) == sizeof(drain)) {
        /* until it is empty */
    }
}

void ft_log_clear_doorbell(void)
{
    ft_log_drain(ft_log.to_engine);
    store64(&ft_log.ring->replayed_wanted, UINT64_MAX);
    __atomic_store_n(&ft_log.ring->engine_sleeping, 0, __ATOMIC_SEQ_CST);
}

/*** The doorbell of the disks' storage, in its thread ***/

int ft_log_storage_bell(void)
{
    return ft_log.to_storage;
}

/* Any thread. */
void ft_log_want_storage_bell(void)
{
    __atomic_store_n(&ft_log.ring->storage_sleeping, 1, __ATOMIC_SEQ_CST);
}

void ft_log_clear_storage_bell(void)
{
    ft_log_drain(ft_log.to_storage);
    __atomic_store_n(&ft_log.ring->storage_sleeping, 0, __ATOMIC_SEQ_CST);
}

/* Begin to keep the log for a backup, from here on.  BQL held too. */
uint64_t ft_log_keep(void)
{
    ft_log_commit();
    ft_digest_restart();
    ft_disk_restart();
    ft_log.ring->log_mode = FT_LOG_KEEP;
    return ft_log.entry_start;
}

/* Nobody will ever read what is in the ring. */
void ft_log_discard(void)
{
    ft_log_commit();
    ft_log.ring->log_mode = FT_LOG_DISCARD;
    store64(&ft_log.ring->acknowledged, ft_log.entry_start);
}

/* A clone was loaded that was taken at 'position': replay from there. */
void ft_log_follow(uint64_t position)
{
    struct ft_ring *ring = ft_log.ring;

    ft_disk_restart();
    ft_log.cursor = ft_log.entry_start = ft_log.entry_end = position;
    store64(&ring->consumed, position);
    store64(&ring->acknowledged, position);
    store64(&ring->peer_released, position);
    store64(&ring->committed, position);
    __atomic_store_n(&ring->direction, FT_RING_REPLAY, __ATOMIC_SEQ_CST);
    ft_log_ring_ftd();
}

/* The log is drained: whatever happens from here on is recorded. */
void ft_log_take_over(void)
{
    ft_log.entry_start = ft_log.cursor;
    ft_log.ring->log_mode = FT_LOG_DISCARD;
    store64(&ft_log.ring->acknowledged, ft_log.cursor);
    __atomic_store_n(&ft_log.ring->direction, FT_RING_RECORD,
                     __ATOMIC_SEQ_CST);
    ft_log_ring_ftd();
}
