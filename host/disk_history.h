// SPDX-License-Identifier: GPL-2.0-or-later
//
// DiskHistory: whether this host's copies of a VM's private disks are what
// the VM last ran from. Shared disks need none of it: there is one of each.
//
//     start, go live, won alone ......... live_epoch = the epoch it holds
//     a primary's Hello is taken ........ replica_of = that primary, durable
//                                         before the first byte changes
//     go live ........................... replica_of = nobody
//
// The record of the test-and-set says who ran the VM last; this says whether
// that was us. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fencing/test_and_set.h"
#include "logchannel/status.h"
#include "replay/vm_definition.h"

namespace ft::host {

struct DiskHistory {
  // The last epoch in which the VM lived here; 0: it never has.
  uint64_t live_epoch = 0;
  // Not empty: the disks were, or are, written as the replica of this host's.
  // Whether they are whole is nobody's to say but a go live's.
  std::string replica_of = {};

  bool operator==(const DiskHistory&) const = default;
};

bool HasPrivateDisks(const replay::VmDefinition& vm);

// Whether the VM may be started from the private disks of `host`, whose
// history this is. `peer` is the last other host that this one knows to have
// to do with the VM, or empty. kInvalid says who has the disks, as far as that
// is known, and what to do.
Status CheckDisksAreCurrent(const DiskHistory& history,
                            const std::optional<fencing::VmRecord>& record,
                            const std::string& vm, const std::string& host,
                            const std::string& peer);

}  // namespace ft::host
