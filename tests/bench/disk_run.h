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
// keeps up. In the end both machines' digests are compared.
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

struct DiskRunOptions {
  int seconds = 4;  // of each access
  // Every host has one processor of its own, the plain guest's as well as the
  // primary's and the backup's: hosts are alike, protected or not. Otherwise
  // all run on all, and the backup takes from what the plain guest has alone.
  bool processor_each = true;
};

// Nothing when it failed; the reason was printed. The caller's thread is in a
// replay::NetworkBed, and the process has no other thread.
std::optional<DiskRun> RunDiskPlain(const DiskMode& mode,
                                    const DiskRunOptions& options);
std::optional<DiskRun> RunDiskProtected(const DiskMode& mode,
                                        const DiskRunOptions& options);

}  // namespace ft::bench
