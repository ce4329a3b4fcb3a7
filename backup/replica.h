// SPDX-License-Identifier: GPL-2.0-or-later
//
// Replica: this host's copy of a private disk, while it is the backup's. The
// primary says in its Hello how large the disk is. A replica that is missing
// is made, empty; whatever its content, the clone makes it equal.
//
// All of it blocks: for a pool's thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"
#include "replay/vm_devices.h"

namespace ft::backup {

struct Replica {
  uint32_t disk = 0;  // its number among the VM's disks
  replay::Disk image;
  uint64_t bytes = 0;  // of the primary's image
};

// One for each private disk of a Hello's VM. Pure.
std::vector<Replica> ReplicasOf(const logchannel::wire::VmDefinition& vm);

// Whether all of them can be used, or made; changes nothing. kInvalid names
// the disk: no image, another size, no directory to make it in.
Status CheckReplicas(const std::vector<Replica>& replicas);

// Makes those that are missing: sparse, mode 0600, durable when this returns.
// Their paths. On failure none of them is left behind.
Result<std::vector<std::string>> MakeMissing(
    const std::vector<Replica>& replicas);

}  // namespace ft::backup
