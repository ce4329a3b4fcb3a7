// SPDX-License-Identifier: GPL-2.0-or-later
//
// Arena: a TestBed whose storage and clocks can be taken away while its ftds
// run. One arena serves many runs.
//
//     <bed>/store             tmpfs: the test-and-set records, really
//     <bed>/store-read-only   the same, mounted read-only
//     <bed>/store-unmounted   an empty directory
//     <bed>/hostA/shared      a link to one of them, or to nowhere: what
//                             hostA's ftd has as its shared_dir
//     <bed>/hostA/state       tmpfs, so that it can be filled
//     <bed>/hostA/clock       what libfaketime reads
//     /dev/shm/.../hostA      tmpfs of its own, with the rings
//
// With a disk service there are no shared directories, but the storage host
// (tests/system/storage_host.h), whose records are on a tmpfs, and the VM is a
// Debian on a disk of it (story_disk.h).
//
// The mounts are the bed's (bed_ledger.h) and gone with it.
#pragma once

#include <optional>
#include <string>

#include "tests/chaos/fault.h"
#include "tests/system/story_disk.h"
#include "tests/system/testbed.h"

namespace ft::chaos {

class Arena {
 public:
  // Builds the bed; no ftd yet. Throws BedError.
  explicit Arena(Storage storage);

  // The VM that lives here.
  bed::VmOptions Vm();

  bed::TestBed& bed() { return bed_; }
  bed::Host& host(bed::Side side) {
    return side == bed::Side::kA ? bed_.a() : bed_.b();
  }

  // What this host's shared_dir is from now on.
  void SetStore(bed::Side side, StoreState state);
  // The disk service: dead, or started again as a supervisor does.
  void KillService() { bed_.storage().Kill(); }
  void StartService();
  // Nothing can be written any more, not a block; or again.
  void SetServiceFull(bool full) { SetFull(bed_.storage().state_dir(), full); }
  void SetStoreFull(bool full) { SetFull(store_, full); }
  void SetStateFull(bed::Side side, bool full) {
    SetFull(host(side).dir() + "/state", full);
  }
  void SetRingsFull(bed::Side side, bool full) {
    SetFull(host(side).ring_dir(), full);
  }

  // From its next start on the wall clock of this host's ftd is StepClock's.
  // BedError if there is no libfaketime.
  void UseSteppedClock(bed::Side side, bool use);
  // Within a second; 0: the machine's time.
  void StepClock(bed::Side side, int seconds);

  // Logs, states, consoles, histories: everything but rings.
  void CopyEvidence(const std::string& directory) const;

 private:
  void MakeSharedDirectories();
  void MountTmpfs(const std::string& directory, const char* size);
  static void SetFull(const std::string& directory, bool full);

  bed::TestBed bed_;
  const std::string store_;
  std::optional<bed::StoryDisk> disk_;
};

// The other one.
inline bed::Side Other(bed::Side side) {
  return side == bed::Side::kA ? bed::Side::kB : bed::Side::kA;
}

}  // namespace ft::chaos
