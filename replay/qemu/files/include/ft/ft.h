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

/* True while it replays: it is the backup of a VM somewhere else. */
bool ft_is_backup(void);

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
 * many instructions may run until the next look, at most 'insns'; until the
 * vCPU looks at what other threads ask for.
 */
void ft_time_look(void);
int64_t ft_time_limit(int64_t insns);
int ft_time_chunk(void);

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

/*
 * vm_stop_force_state(RUN_STATE_FINISH_MIGRATE), for the last pages; of a
 * clone not in the middle of a reset.  Both locks held.
 */
int ft_clone_stop_vm(void);

/* The VM is stopped for good: empty the queues, note the log position. */
void ft_clone_quiesce(void);

/*
 * The stream is complete (error is NULL), or it is not and 'error' says why.
 * Either way the VM runs on.  Without effect where no clone is under way.
 */
void ft_clone_finish(const char *error);

/*
 * A reset of the guest, from its checkpoint to the end of its work
 * (softmmu/runstate.c).  Not while the VM stands still for a clone; the main
 * loop is woken when it does not any more.
 */
bool ft_reset_may_begin(void);
/*
 * Replaying: a vCPU that has asked for a reset stands still, and the main loop
 * carries out what the log has before it.
 */
void ft_replay_until_reset(void);
void ft_reset_begins(void);
/* The vCPU then neither runs nor records nor replays. */
bool ft_reset_is_under_way(void);
void ft_reset_ends(void);

/*** disks (block/ft-disk.c) ***/

typedef struct FtDiskRequest FtDiskRequest;

/* A completion, for and from the log; see ft-disk.c. */
void replay_ft_disk_event(FtDiskRequest *r, uint64_t id);
void ft_disk_save(FtDiskRequest *r);
/* The log position behind it. */
uint64_t ft_disk_put(int ret, const uint8_t *data, size_t size);
FtDiskRequest *ft_disk_find(uint64_t id);
/* Not while this host's storage is at work on it. */
bool ft_disk_may_complete(FtDiskRequest *r, int ret);
/* NULL, or why such a result does not belong to this request; to be freed. */
char *ft_disk_load(FtDiskRequest *r, int ret, const uint8_t *data, size_t size);
void ft_disk_run(FtDiskRequest *r);
/*
 * All of that for replay-events.c: the event that comes next in the log, NULL
 * after a divergence.  False: it has to wait.
 */
bool ft_disk_next_completed(FtDiskRequest **r);
/* Does the next event wait? */
bool ft_disk_awaits_storage(void);
/* What the storage is done with becomes events, recording. */
void ft_disk_collect(void);
/*
 * Asks for the bell: when there is something to be collected, the vCPU is
 * woken, and whoever makes a clone.  False: there is already.
 */
bool ft_storage_want_bell(void);
/* The same for the vCPU's thread, which is about to sleep; BQL held. */
bool ft_storage_want_kick(void);
/* Until there is something to be collected; the locks are kept. */
void ft_storage_wait(void);

/*
 * The disk's device is reset: its requests end here, which is at the same
 * instruction on both sides.  What the storage is at work on is waited for,
 * what the output rule holds was never done; reads bring nothing.
 */
void ft_disk_end_requests(BlockDriverState *bs);
/*
 * The same for all disks, by the recording main loop, before a reset of the
 * machine is noted in the log, in one entry with that: the reset itself takes
 * more than one, and a backup that stood amid them could not go live.
 */
void ft_disk_end_all_requests(void);
BlockDriverState *ft_disk_node(const FtDiskRequest *r);
/* The next completion of a disk's is recorded and run; false: there is none. */
bool replay_save_ft_disk_event(BlockDriverState *bs);
/* The next event, a completion, is run; false: it is something else. */
bool replay_read_ft_disk_event(void);

/*
 * Changes that the output rule holds: is one without the position that
 * explains it; here it is.  And: may some leave, not by an acknowledgement?
 */
bool ft_storage_wants_tag(void);
/* One that was tagged before waits: when it leaves, ftd is called. */
bool ft_storage_awaits_another(void);
void ft_storage_tag(uint64_t position);
void ft_storage_look(void);
unsigned ft_storage_held(void);
/* The doorbell of the storage's thread; ask for it, then look once more. */
int ft_log_storage_bell(void);
void ft_log_want_storage_bell(void);
void ft_log_clear_storage_bell(void);
/* ftd is called now if it was to be called soon. */
void ft_log_call_now(void);

/*
 * How far the backup has carried out the log, UINT64_MAX where there is none;
 * and: ft_disk_look_at_backup() is to be called when it is there.
 */
uint64_t ft_log_replayed(void);
void ft_log_want_replayed(uint64_t position);
void ft_disk_look_at_backup(void);

/* Requests without a completion in the log. */
bool ft_disk_in_flight(void);
/* A clone looks whether there are any left. */
void ft_clone_look_at_disks(void);
/* The log of a clone begins: requests are numbered from here. */
void ft_disk_restart(void);
void ft_disk_go_live(void);
/* Do all devices have disks whose replay is exact? */
bool ft_disk_check(Error **errp);
/* Is it the ft node of a private disk?  And: the next one, NULL at the end. */
bool ft_disk_is_private_node(BlockDriverState *bs);
BlockDriverState *ft_disk_next_private(BlockDriverState *bs);

/* Registers for migrations, of which only clones have replicas. */
void ft_replica_start_up(void);

/*** outputs (net/filter-ft.c, block/ft-disk.c) ***/

/* An output of the guest, to leave by 'send'; copies the data. */
typedef void FtSend(void *owner, const uint8_t *data, size_t size);
bool ft_output_is_held(void);
/*
 * Of an output that is held elsewhere (disks): may what is explained by the
 * log through 'tag' leave, any thread; it left; the running vCPU is to close
 * the entry that explains it.
 */
bool ft_output_may_leave(uint64_t tag);
void ft_output_left(int64_t delay_ns);
void ft_output_end_tenure(void);
void ft_output_hold(void *owner, FtSend *send,
                    const uint8_t *data, size_t size);

/*
 * A NIC's part in going live: 'announce' says where its MAC is now, perhaps
 * twice; 'deliver' hands in what came for the guest before.
 */
typedef struct FtNicOps {
    void (*announce)(NetFilterState *nf);
    void (*deliver)(NetFilterState *nf);
} FtNicOps;
void ft_output_register(NetFilterState *nf, const FtNicOps *ops);
void ft_output_unregister(NetFilterState *nf);

/* This VM replays, and was announced: input waits for it to be live. */
bool ft_output_is_announced(void);

#endif
