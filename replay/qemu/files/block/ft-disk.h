/*
 * A disk of a fault-tolerant VM, between its driver (ft-disk.c) and its
 * requests (ft-request.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BLOCK_FT_DISK_H
#define BLOCK_FT_DISK_H

#include "qapi/qapi-types-block-core.h"
#include "block/block_int.h"
#include "sysemu/runstate.h"

/* Of an iSCSI disk; ft-reservation.c.  Zeroes at first. */
typedef struct FtReservation {
    CoMutex lock;
    uint64_t predecessor;   /* key of who may be replaced; 0: not seen yet */
    bool is_claimed;        /* once; nobody is replaced any more */
    bool is_fenced;         /* for good */
    unsigned times;         /* it was found to be ours */
    bool is_in_doubt;       /* is this port registered? */
    int64_t looked_at;      /* get_clock() */
} FtReservation;

typedef struct FtDisk {
    FtDiskMode mode;
    FtDiskReads reads;
    bool said;          /* that it cannot be read at the moment */
    FtReservation reservation;
    VMChangeStateEntry *vm_changes;
} FtDisk;

typedef enum FtDiskKind {
    READ, WRITE, WRITE_ZEROES, DISCARD, FLUSH,
} FtDiskKind;

static inline bool ft_disk_is_private(BlockDriverState *bs)
{
    FtDisk *disk = bs->opaque;

    return disk->mode == FT_DISK_MODE_PRIVATE;
}

static inline bool ft_disk_backup_reads(BlockDriverState *bs)
{
    FtDisk *disk = bs->opaque;

    return disk->reads == FT_DISK_READS_BACKUP;
}

/* Not with a flush, which is no bytes at 0. */
static inline bool ft_disk_overlap(int64_t a, int64_t a_bytes,
                                   int64_t b, int64_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

/* A request of the guest, until its completion is in the log. */
int coroutine_fn ft_disk_request(BlockDriverState *bs, FtDiskKind kind,
                                 int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, BdrvRequestFlags flags);

/*
 * ft-reads.c: the backup reads this itself, when it gets to 'position'; it has
 * read all that overlaps, or ft_disk_look_at_backup() is called when it may
 * have; what it has read is forgotten.
 */
void ft_reads_note(BlockDriverState *bs, int64_t offset, int64_t bytes,
                   uint64_t position);
bool ft_reads_are_replayed(BlockDriverState *bs, int64_t offset, int64_t bytes);
void ft_reads_forget(void);

/*
 * ft-reservation.c, of no effect on disks that are not iSCSI.  The machine is
 * there: a disk that cannot be reserved is refused, and is reserved, unless
 * this is to be a backup; this VM is live now.  GLOBAL_STATE_CODE.
 */
bool ft_reservation_check(BlockDriverState *bs, Error **errp);
void ft_reservation_go_live(void);
/*
 * In the storage's thread.  Before a live VM does anything with the disk: 0, or
 * -EPERM if it must not.  And: since then a request met a conflict.
 */
int coroutine_fn ft_reservation_take(BlockDriverState *bs, unsigned *times);
void ft_reservation_doubt(BlockDriverState *bs, unsigned times);

#endif
