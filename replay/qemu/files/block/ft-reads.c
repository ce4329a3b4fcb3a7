/*
 * What the backup of a fault-tolerant VM reads for itself (ft-disk.c)
 *
 * With reads=backup the recording VM changes nothing that was read before the
 * backup's replay has passed that read's completion (Scales et al. 2010, 4.2).
 * These are the reads whose completion it may not have passed.
 *
 * Replay mutex and BQL held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/queue.h"
#include "ft/ft.h"
#include "ft-disk.h"

typedef struct Read {
    QSIMPLEQ_ENTRY(Read) next;
    BlockDriverState *bs;
    int64_t offset, bytes;
    uint64_t position;  /* in the log */
} Read;

/* By position. */
static QSIMPLEQ_HEAD(, Read) reads = QSIMPLEQ_HEAD_INITIALIZER(reads);

void ft_reads_forget(void)
{
    uint64_t replayed = ft_log_replayed();
    Read *read;

    while ((read = QSIMPLEQ_FIRST(&reads)) && read->position <= replayed) {
        QSIMPLEQ_REMOVE_HEAD(&reads, next);
        g_free(read);
    }
}

void ft_reads_note(BlockDriverState *bs, int64_t offset, int64_t bytes,
                   uint64_t position)
{
    Read *read;

    ft_reads_forget();
    if (ft_log_replayed() == UINT64_MAX) {
        return;
    }
    read = g_new0(Read, 1);
    read->bs = bs;
    read->offset = offset;
    read->bytes = bytes;
    read->position = position;
    QSIMPLEQ_INSERT_TAIL(&reads, read, next);
}

bool ft_reads_are_replayed(BlockDriverState *bs, int64_t offset, int64_t bytes)
{
    uint64_t position = 0;
    Read *read;

    ft_reads_forget();
    QSIMPLEQ_FOREACH(read, &reads, next) {
        if (read->bs == bs && ft_disk_overlap(read->offset, read->bytes,
                                              offset, bytes)) {
            position = read->position;
        }
    }
    if (position <= ft_log_replayed()) {
        return true;
    }
    ft_log_want_replayed(position);
    return position <= ft_log_replayed();
}
