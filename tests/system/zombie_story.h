// SPDX-License-Identifier: GPL-2.0-or-later
//
// ZombieStory: a primary that stands still with writes in flight, and comes
// back when another host has gone on with its disk.
//
//     hostA   writes .. writes |stopped ........................| halts
//                       held,  |                                |
//                       acknowledged and on their way           |
//     hostB                    | wins, goes live, writes all    |
//                              | blocks again, rests            |
//     disk                                             look ----- look
//
// Those under way are in its kernel's hands when the cable to the storage host
// is pulled; they arrive when it is back, after the first look.
//
// The two looks must be the same bytes: while the new side rests, only the
// old one could change them. Then the hosts change their parts.
//
// The VM has one disk, at the storage host's disk service, and runs the
// workload `stamps` (tests/guest/stamps.c).
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/system/stamp_image.h"
#include "tests/system/testbed.h"

namespace ft::bed {

struct ZombieEnd {
  // The machine was so slow that the primary missed its backup first, and took
  // the next epoch itself: not the story. It runs on alone.
  bool is_void = false;
  // One line per broken promise; empty is success.
  std::vector<std::string> broken;
  // Writes were under way to the disk service the whole time, not only held.
  bool under_way = false;
  // The disk service turned the old side away, so it did try to write. Not
  // of every write under way: it may have arrived, and its acknowledgement not.
  bool refused = false;
  // From the stop until the new side had written every block.
  double blackout_ms = 0;
};

class ZombieStory {
 public:
  // Builds the bed and boots the VM on hostA. BedError.
  explicit ZombieStory(uint64_t seed);

  // Once, from protection to the end of the old side. BedError if it cannot
  // even begin.
  ZombieEnd TellOnce();

  TestBed& bed() { return bed_; }

 private:
  Side PrimarySide() const { return primary_is_a_ ? Side::kA : Side::kB; }
  Host& primary() { return primary_is_a_ ? bed_.a() : bed_.b(); }
  Host& backup() { return primary_is_a_ ? bed_.b() : bed_.a(); }
  void Boot();
  uint64_t InFlight();
  void CutWithWritesUnderWay();
  void StopWithWritesUnderWay();
  void StopWithWritesHeld();
  void StopPrimary();
  void Protect();
  bool AwaitNewSide();
  static bool HasLost(const Host& host);
  void Resurrect();
  bool AwaitHalt();
  void Pause(int at_most_us);

  TestBed bed_;
  StampImage image_;
  std::mt19937_64 random_;
  bool primary_is_a_ = true;
};

}  // namespace ft::bed
