// SPDX-License-Identifier: GPL-2.0-or-later
//
// From pairs of runs, plain and protected, to rows with bars. Pure.
#pragma once

#include <map>
#include <vector>

#include "tests/bench/disk_run.h"
#include "tests/bench/figures.h"

namespace ft::bench {

// Each has all of AllDiskAccesses(), in their order.
struct DiskPair {
  DiskRun plain;
  DiskRun ft;
};

// Of all modes that were measured, as often as the others. Where reads were
// made by the backup and where their data was in the log are there both, one
// row says what the first does to the log of reads, pair by pair.
std::vector<Figure> DiskFigures(
    const std::map<const DiskMode*, std::vector<DiskPair>>& measured);

}  // namespace ft::bench
