// SPDX-License-Identifier: GPL-2.0-or-later
//
// The story that the demo tells and the system tests check: a protected VM
// under write load, a fault, and what was promised about it. With a disk it
// goes on: the surviving host loses its power too, the VM is started from what
// is on the disk, every acknowledged write is read back from there, and when
// the guest has switched itself off its file system is clean.
#pragma once

#include <boost/json.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/system/story_disk.h"
#include "tests/system/testbed.h"

namespace ft::bed {

enum class Fault {
  kEngine,   // the engine of A is killed, its ftd lives
  kFtd,      // the ftd of A is killed, its engine lives
  kHost,     // both are killed
  kLink,     // every cable of A is pulled, both live
  kPlanned,  // nobody dies: ftctl failover
};

// "qemu", "ftd", "host", "link", "planned"; BedError for any other word.
Fault FaultFromName(const std::string& name);
std::string FaultName(Fault fault);

struct StoryOptions {
  Fault fault = Fault::kHost;
  DiskKind disk = DiskKind::kNone;
  int memory_mib = 256;
  milliseconds before{3000};  // protected and under load, before the fault
  milliseconds after{3000};   // and after the failover
  int depth = 1;
  bool probe = true;
  int idle_connections = 4;  // beside the writer's
  // For `ftctl enable`, which gives up by itself after 120 s.
  milliseconds protect_within{125000};
  uint64_t writes_min = 1000;  // fewer would prove nothing
  // Told each step as it ends: who, what, how long.
  std::function<void(const std::string& who, const std::string& what,
                     double elapsed_ms)>
      narrate;
};

struct StoryResult {
  WriterReport writer;
  // A's view just before the fault, B's at the end.
  boost::json::object before;
  boost::json::object after;
  int live_sides = 0;
  std::string engine;
  // With a disk: what was there after a start from it, and e2fsck's word.
  WriterReport from_disk;
  bool file_system_clean = false;
  // One line per promise that was broken; empty is success.
  std::vector<std::string> broken;
  // What the demo writes as JSON (README.md lists the fields).
  boost::json::object ToJson(const StoryOptions& options) const;
};

// Tells the story on a fresh bed. Throws BedError if it cannot even begin
// (no protection reached); what goes wrong later is in `broken`.
StoryResult TellFailover(TestBed& bed, const StoryOptions& options);

}  // namespace ft::bed
