// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/disk_mode.h"

namespace ft::bench {
namespace {

constexpr DiskMode kModes[] = {
    {.name = "shared", .mode = "shared", .reads = "log"},
    {.name = "shared-reads-backup", .mode = "shared", .reads = "backup"},
    {.name = "private", .mode = "private", .reads = "log"},
    {.name = "recorded", .mode = "shared", .reads = "log", .backup = false},
};

constexpr DiskAccess kAccesses[] = {
    {.name = "seq-read", .reads = true, .random = false},
    {.name = "seq-write", .reads = false, .random = false},
    {.name = "rand-read", .reads = true, .random = true},
    {.name = "rand-write", .reads = false, .random = true},
};

}  // namespace

std::span<const DiskMode> AllDiskModes() { return kModes; }

const DiskMode* FindDiskMode(const std::string& name) {
  for (const DiskMode& mode : kModes) {
    if (name == mode.name) return &mode;
  }
  return nullptr;
}

std::span<const DiskAccess> AllDiskAccesses() { return kAccesses; }

}  // namespace ft::bench
