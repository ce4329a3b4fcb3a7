/*
 * Fault tolerance by deterministic replay: the hooks in the rest of QEMU
 *
 * A VM started with -icount ...,rr=ft,rrfile=RING records from its first
 * instruction.  Its log goes to a ring in shared memory (ring_layout.h).  It
 * can be cloned while it runs (x-ft-clone); the clone replays the log
 * (replay_mode PLAY) and can become the recording VM in place (x-ft-go-live).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef FT_FT_H
#define FT_FT_H

#include "qemu/typedefs.h"

/* True in a VM started with rr=ft.  Constant after start-up. */
bool ft_enabled(void);

/*** vCPU loop (accel/tcg/tcg-accel-ops-rr.c) ***/

/*
 * At the loop's top, under the replay mutex and the BQL: replay whatever the
 * log has before the next instruction, or go live where it ends.
 */
void ft_vcpu_replay_events(CPUState *cpu);

/*
 * Must the vCPU wait, because the log ends (replaying), the ring is full or
 * the backup is far behind (recording)?  Under the BQL.
 */
bool ft_vcpu_blocked(void);

/* The same for a vCPU about to sleep: asks for a doorbell first. */
bool ft_vcpu_must_sleep(CPUState *cpu);

/*
 * AccelOpsClass::cpu_thread_is_idle, asked about a halted vCPU: its thread has
 * work while events wait to be recorded, or while there is a log to replay.
 */
bool ft_cpu_thread_is_idle(CPUState *cpu);

/* Another thread wants the replay mutex: the vCPU is to end its tenure. */
void ft_vcpu_yield(void);

/*
 * At the loop's top: compare the guest's clock with the host's.  And: that
 * many instructions may run until the next look, at most 'insns'.
 */
void ft_time_look(void);
int64_t ft_time_limit(int64_t insns);

/* There too: put a digest of the machine into the log if one is due. */
void ft_digest_look(void);

/* Around the vCPU's run; the end under the BQL. */
void ft_pace_run_begins(void);
void ft_pace_run_ends(void);

/*** replay mutex (replay/replay-internal.c) ***/

/* The tenure ends: what it recorded becomes an entry. */
void ft_tenure_end(void);

/*** clone (migration/migration.c) ***/

/* True while a migration is a clone: its source goes on running. */
bool ft_clone_active(void);

/*
 * The migration thread, before it takes the BQL and after it gave it back:
 * the replay mutex, if this is a clone.  Under it no store of the vCPU is in
 * flight, so dirty bits can be cleared, and the VM can be stopped.
 */
void ft_clone_lock(void);
void ft_clone_unlock(void);

/* The VM is about to be stopped for the last pages. */
void ft_clone_stopping(void);

/* The VM is stopped for good: empty the queues, note the log position. */
void ft_clone_quiesce(void);

/*
 * The stream is complete (error is NULL), or it is not and 'error' says why.
 * Either way the VM runs on.  Without effect where no clone is under way.
 */
void ft_clone_finish(const char *error);

/*** network filter (net/filter-ft.c) ***/

/* An output of the guest, to leave by 'send'; consumes the packet. */
typedef void FtSend(NetFilterState *nf, const uint8_t *data, size_t size);
bool ft_output_is_held(void);
void ft_output_hold(NetFilterState *nf, FtSend *send,
                    const uint8_t *data, size_t size);

/* Calls 'announce' when this VM goes live. */
typedef void FtAnnounce(NetFilterState *nf);
void ft_output_register(NetFilterState *nf, FtAnnounce *announce);
void ft_output_unregister(NetFilterState *nf);

#endif
