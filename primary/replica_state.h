// SPDX-License-Identifier: GPL-2.0-or-later
//
// ReplicaState: how far the replica of one private disk is, in numbers and
// in words. Both agents have one for each. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace ft::primary {

struct ReplicaState {
  enum class Stage {
    kReading,  // the backup computes the checksums of what it has
    kCopying,  // the primary sends what is not equal
  };

  uint32_t disk = 0;  // its number among the VM's disks
  std::string path = {};
  Stage stage = Stage::kReading;
  uint64_t done = 0;  // bytes of this stage
  uint64_t total = 0;
  uint64_t sent = 0;  // bytes that were not equal

  // The whole of it has been compared and what had to be sent is sent. The
  // guest may have written since: that goes by the clone, and then by the log.
  bool complete() const { return stage == Stage::kCopying && done == total; }
};

// "reading", "copying".
const char* Name(ReplicaState::Stage stage);
// "replica of /srv/vm1.img: 34 %, 1.2 of 4.0 GiB, 310.0 MiB sent".
std::string Describe(const ReplicaState& state);
// "310.0 MiB".
std::string FormatBytes(uint64_t bytes);

}  // namespace ft::primary
