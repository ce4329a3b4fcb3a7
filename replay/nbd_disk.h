// SPDX-License-Identifier: GPL-2.0-or-later
//
// A disk at a disk service (shared-disk/), as a VM file names it:
//
//     path = "nbd://10.0.0.5:10809/vm1-root"
//
// and as an engine opens it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

struct NbdDisk {
  // A name or an IPv4 address, or an IPv6 address without its brackets.
  std::string host;
  uint16_t port = 0;
  // Its name at the service.
  std::string disk;
};

// Who an engine is to a disk service: no other engine that ever goes live has
// the same (docs/shared-disk.md).
struct DiskWriter {
  // The name by which this host contends in the test-and-set.
  std::string host;
  // The record's when the engine was started or cloned.
  uint64_t epoch = 0;
};

// Whether a path means a disk service, good or bad.
bool IsNbdPath(const std::string& path);

// kInvalid says what is wrong with it.
Result<NbdDisk> ParseNbdPath(const std::string& path);

// The options of QEMU's driver "nbd" for it. Requests wait for a
// service that is being restarted.
std::string NbdNodeOptions(const NbdDisk& disk, const DiskWriter& writer);

}  // namespace ft::replay
