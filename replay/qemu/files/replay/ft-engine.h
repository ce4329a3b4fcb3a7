/*
 * The fault-tolerance engine, as its commands and replay/ see it; see
 * ft-engine.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef REPLAY_FT_ENGINE_H
#define REPLAY_FT_ENGINE_H

typedef struct FtEngine {
    /* Replaying: the log and this machine do not fit; it never runs again. */
    bool diverged;
    /* When x-ft-go-live came (get_clock()), 0: it did not. */
    int64_t go_live_since;
    /* Replaying: it has let log come in, once, where the log ended. */
    bool dozed;

    /* Clone: under way; when it began, when the VM stopped for it (or 0). */
    bool clone_active;
    /* The migration thread holds the replay mutex. */
    bool clone_locked;
    int64_t clone_since, clone_stopped_since;
    /* Of the last clone that ended well. */
    uint64_t clone_position, clone_pause_us, clone_total_us;

    QEMUTimer *orphan_timer;
    uint64_t last_beat;
    unsigned silent_polls;
    bool orphaned;
} FtEngine;

extern FtEngine ft_engine;

bool ft_start(const char *path, Error **errp);
void ft_start_loop(void);
void ft_diverged(const char *expected, const char *got);
void ft_go_live(uint64_t position, Error **errp);
void ft_protect(bool on);
void ft_clone_start_up(void);
void ft_clone_loaded(uint64_t position);

#endif
