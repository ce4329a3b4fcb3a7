// SPDX-License-Identifier: GPL-2.0-or-later
//
// One run of the torture with real engines:
//
//     streamed   boot -- work -- clone -- compare -- compare -- compare
//                                  `- replay, at once -----------'
//     recorded   boot -- work -- snapshot -- digest -- digest -- digest
//                                    then: `- replay, comparing at each --'
//                             and once more: `- one instruction per block --'
//                                                for a while
//
// A comparison stops the primary, and expects equal digests of instruction
// count, RAM and CPU of both machines at the end of the same log entry. A
// recording that is replayed otherwise than it was is kept, and the finder
// (replay/log_bisect.h) says in the file `bisect` beside it where that begins.
#pragma once

#include <cstdint>
#include <string>

#include "tests/torture/plan.h"

namespace ft::torture {

struct Outcome {
  bool identical = false;
  // The machine held this process up until an engine paused its VM: such a
  // run says nothing, and is to be had again.
  bool is_void = false;
  // When it is not: what was said first, and where consoles, stderr, rings
  // and log lie.
  std::string failure = {};
  std::string evidence = {};
  // Of a recording that is not replayed as it was: what the finder says
  // (replay/log_bisect.h), some lines.
  std::string finding = {};
  double seconds = 0;
  // From the clone to the end of the work, and from there until the backup
  // was compared for the last time: all of the replay, if it was recorded.
  double work_seconds = 0;
  double rest_seconds = 0;
  int compared = 0;           // pairs of digests that were equal
  uint64_t instructions = 0;  // replayed
  uint64_t log_bytes = 0;
};

// The caller's thread is in a replay::NetworkBed, and the process has no
// other thread.
Outcome Perform(const Trial& trial);

}  // namespace ft::torture
