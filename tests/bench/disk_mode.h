// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ways in which a protected VM can have a disk, as `bench disk` names
// them, and the kinds of access that it measures. Pure.
#pragma once

#include <span>
#include <string>

namespace ft::bench {

struct DiskMode {
  const char* name;  // on the command line and in the figures
  // replay::Disk's.
  const char* mode;
  const char* reads;
  // Without one the engine records, and its log is discarded: what recording
  // alone costs, and nobody else needs the machine.
  bool backup = true;
};

std::span<const DiskMode> AllDiskModes();
// Null when there is none of that name.
const DiskMode* FindDiskMode(const std::string& name);

// Of the workload disk-speed, in its order.
struct DiskAccess {
  const char* name;
  bool reads;
  bool random;
};

std::span<const DiskAccess> AllDiskAccesses();

}  // namespace ft::bench
