/*
 * The storage under the disks of a fault-tolerant VM, in a thread of its own
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef BLOCK_FT_STORAGE_H
#define BLOCK_FT_STORAGE_H

#include "block/block_int.h"
#include "qemu/queue.h"

typedef struct FtStorageTask FtStorageTask;
typedef QSLIST_HEAD(, FtStorageTask) FtStorageTasks;

/* Something to be done below an ft node. */
struct FtStorageTask {
    QSLIST_ENTRY(FtStorageTask) next;
    /* An output: not before the log through here is acknowledged. */
    uint64_t tag;
    /* get_clock(); 0: it was not held */
    int64_t held_since, left;
};

/*
 * An ft node was opened, is to be closed.  What is below it is the storage
 * thread's from when the VM is first started, the main loop's before and
 * after.  GLOBAL_STATE_CODE.
 */
void ft_storage_add(BlockDriverState *bs);
void ft_storage_remove(BlockDriverState *bs);

/* What it is: in the storage's thread, outside of all of QEMU's locks. */
void coroutine_fn ft_disk_issue(FtStorageTask *task);

/* Any thread. */
void ft_storage_submit(FtStorageTask *task);

/* An output: as the output rule allows.  Replay mutex held. */
void ft_storage_hold(FtStorageTask *task);

/* Of those that are held, the ones that 'is_wanted': never to be run. */
void ft_storage_take_back(FtStorageTasks *tasks,
                          bool (*is_wanted)(FtStorageTask *task, void *opaque),
                          void *opaque);

/*
 * What was run, oldest first, each once.  The vCPU of a recording VM is asked
 * to look when there is something; who else waits for it has to ask for the
 * bell, ft_storage_want_bell() (ft.h).
 */
void ft_storage_collect(FtStorageTasks *tasks);

#endif
