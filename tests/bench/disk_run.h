// SPDX-License-Identifier: GPL-2.0-or-later
//
// fio in a Debian guest, run once: plain, or protected by a backup that
// replays at the same time.
//
//     plain       boot | seq-read | seq-write | rand-read | rand-write
//     protected   boot | clone | the same, output rule in force | digests
//
// Root and the disk that fio works on are fresh images on a tmpfs: what is
// measured is the way to a disk, not a disk. The backup streams, on this same
// machine: with reads by the backup there is no other way (a later replay
// would read what was written since), and a protected guest has a backup that
// keeps up. What it takes of two processors is in the figures; two hosts would
// do better. In the end both machines' digests are compared.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/bench/disk_mode.h"
#include "tests/bench/fio_report.h"

namespace ft::bench {

struct MeasuredAccess {
  FioReport fio = {};
  // Of the log, from the beginning of this access to its end; plain: none.
  uint64_t log_bytes = 0;
};

// One of each of AllDiskAccesses(), `seconds` long.
using DiskRun = std::vector<MeasuredAccess>;

// Nothing when it failed; the reason was printed. The caller's thread is in a
// replay::NetworkBed, and the process has no other thread.
std::optional<DiskRun> RunDiskPlain(const DiskMode& mode, int seconds);
std::optional<DiskRun> RunDiskProtected(const DiskMode& mode, int seconds);

}  // namespace ft::bench
