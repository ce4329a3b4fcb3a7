/*
 * What the parts of the fault-tolerance engine share among themselves:
 * ft-log.c (the ring), ft-output.c (held outputs), ft-engine.c (the vCPU's
 * loop, go live), ft-clone.c with ft-replica.c, ft-pace.c (its rests),
 * ft-time.c, ft-digest.c with ft-state.c and ft-where.c, and ft-qmp.c
 * (commands).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef REPLAY_FT_INTERNAL_H
#define REPLAY_FT_INTERNAL_H

#include "ft/ring_layout.h"

typedef struct FtLog {
    struct ft_ring *ring;   /* NULL unless started with rr=ft */
    uint8_t *data;
    uint64_t mask;          /* data size - 1 */
    int to_ftd, to_engine, to_storage;  /* doorbells */
    /* Log offset of the next byte to write (recording) or read (replaying). */
    uint64_t cursor;
    /* Recording: where the open entry starts; == cursor if none is open. */
    uint64_t entry_start;
    /* Replaying: where the current entry ends. */
    uint64_t entry_end;
    /* When the vCPU last called ftd, get_clock(); has it moved on since? */
    int64_t called;
    bool call_is_due;
} FtLog;

extern FtLog ft_log;

bool ft_log_open(const char *path, Error **errp);
void ft_log_put(const void *buf, size_t size);
bool ft_log_entry_is_large(void);
void ft_log_commit(void);
void ft_log_call_when_due(void);
bool ft_log_next(void);
void ft_log_get(void *buf, size_t size);
uint64_t ft_log_position(void);
bool ft_log_has_room(void);
bool ft_log_has_entry(void);
uint64_t ft_log_committed(void);
uint64_t ft_log_acknowledged(void);
uint64_t ft_log_lease(void);
void ft_log_want_doorbell(void);
void ft_log_clear_doorbell(void);
uint64_t ft_log_keep(void);
void ft_log_discard(void);
void ft_log_follow(uint64_t position);
void ft_log_take_over(void);

/* ft-time.c */
void ft_time_ran(int64_t ns);
void ft_time_replay(void);

/* ft-digest.c */
uint64_t ft_digest_cpu(void);
const char *ft_digest_text(uint64_t icount);
void ft_digest_replay(void);
void ft_digest_restart(void);
void ft_digest_differs(const char *what, uint32_t expected, uint32_t got);

/* ft-state.c */
void ft_state_record(bool all);
void ft_state_replay(void);
void ft_devices_record(void);
void ft_devices_replay(void);
char *ft_devices_text(void);

/* ft-replica.c */
bool ft_replica_prepare(const char *directory, uint64_t rate, Error **errp);
void ft_replica_forget(void);
bool ft_replica_is_active(void);
void ft_replica_read_last(void);

/* ft-where.c; to be freed */
char *ft_where_is_page(uint32_t page);
bool ft_where_is_ring(const char *where);

/* ft-pace.c */
bool ft_pace_rests(void);
void ft_pace_start(void);

#endif
