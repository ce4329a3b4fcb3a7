/*
 * Private disks in the stream of a clone: ft-replica.c writes, and
 * ft-replica-load.c reads.
 *
 * In each section records up to END:
 *
 *     DISK   byte n, n bytes of node name, be64 bytes of the disk
 *     DATA   byte disk (counted from 0), be64 offset, be32 bytes, the data
 *     ZERO   byte disk, be64 offset, be32 bytes
 *     FLUSH  all before is to be on stable storage
 *     END
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef REPLAY_FT_REPLICA_H
#define REPLAY_FT_REPLICA_H

#include "qemu/units.h"
#include "migration/qemu-file.h"

/* What has a checksum; no record has more. */
#define CHUNK_BYTES (1 * MiB)

enum { END = 1, DISK, DATA, ZERO, FLUSH };

int coroutine_fn ft_replica_load(QEMUFile *f, void *opaque, int version);

#endif
