// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the chaos ring does to a pair: the faults by name, on whom they may
// fall, how long they last and how hard they are. A table, no more; plan.h
// draws from it, injector.h does the deeds.
//
// All of it happens to processes, files and cables of the bed. The clock of
// a process is stepped by libfaketime in that process; nothing here touches
// the machine's own clock, network or storage.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace ft::chaos {

enum class FaultKind {
  // Processes.
  kEngineKilled,   // SIGKILL to the engine; its ftd lives
  kFtdKilled,      // SIGKILL to ftd, started again later
  kHostKilled,     // both; ftd is started again later
  kEngineStopped,  // SIGSTOP, SIGCONT later
  kFtdStopped,
  kHostStopped,  // both
  kStarved,      // ftd and engine get `size` percent of a processor
  kBusyMachine,  // `size` processes that only compute, on all processors
  // Cables.
  kHostCut,      // every cable of the host is pulled
  kUplinkCut,    // the cable to the clients
  kLogCut,       // the cable to the other host
  kLogMute,      // on that cable nothing gets out of the host
  kLogDeaf,      // on that cable nothing gets into the host
  kSlowLog,      // `size` ms later each way, and as much jitter
  kLossyLog,     // `size` percent of the frames are lost, each way
  kNarrowLog,    // `size` tenths of a megabit per second, each way
  kCorruptLog,   // one bit of the log channel's stream is turned over
  kTruncateLog,  // the stream ends in the middle of a segment
  // Storage. `size` of kStoreGone: StoreState.
  kStoreGone,  // the test-and-set's directory, as this host sees it
  kStoreFull,  // no block is left on it, for both hosts
  kStateFull,  // no block is left on the host's state_dir
  kRingsFull,  // no block is left on the host's ring_dir
  // The storage host: its disk service has the VM's disk and its record.
  kServiceKilled,   // SIGKILL, started again later
  kServiceStopped,  // SIGSTOP, SIGCONT later
  kServiceFull,     // no block is left for its records; started again later
  kSanCut,          // the host's cable to it is pulled
  // The wall clock of ftd and of what it starts leaps by `size` seconds.
  kClockStep,
  // Not a fault: the operator moves the VM (ftctl failover). For something
  // to go wrong in the middle of.
  kMoved,
};

// On whom a fault falls: by the roles at the beginning of the run.
enum class Target { kPrimary, kBackup, kBoth };

// Where the shared directory has gone to.
enum StoreState {
  kStoreThere = 0,
  kStoreMissing = 1,    // its name leads nowhere
  kStoreUnmounted = 2,  // an empty directory, as before it was mounted
  kStoreReadOnly = 3,
};

// Where the test-and-set is: in a directory, the VM has no disk; or at a disk
// service, which has the VM's disk as well.
enum class Storage { kDirectory, kDiskService };
const char* Name(Storage storage);

// Two faults of one family on one host would undo each other.
enum class Family {
  kKill,
  kPause,
  kCable,
  kStore,
  kDisk,
  kService,
  kClock,
  kOperator
};

struct FaultFacts {
  FaultKind kind;
  const char* name;
  Family family;
  // Whom it may fall on.
  std::vector<Target> targets;
  // How long it lasts: milliseconds, the shortest and the longest. {0, 0}:
  // it is done and cannot be undone.
  int lasts_min_ms;
  int lasts_max_ms;
  // Bounds of `size`; {0, 0}: it has none.
  int size_min = 0;
  int size_max = 0;
  const char* unit = "";
  // The engine of its target is dead after it.
  bool kills_engine = false;
  // It may end the protection, or keep a backup from being made: from then
  // on there is one copy of the VM only.
  bool parts = true;
  // What it needs to fall on.
  std::optional<Storage> storage = {};
};

std::span<const FaultFacts> AllFaults();
// Those that can happen there, in the table's order.
std::vector<FaultKind> FaultsWith(Storage storage);
const FaultFacts& FactsOf(FaultKind kind);
// Nothing for a word that is none.
std::optional<FaultKind> FaultFromName(const std::string& name);
const char* Name(Target target);

// One fault of a run.
struct Fault {
  FaultKind kind = FaultKind::kEngineKilled;
  Target target = Target::kPrimary;
  // From the beginning of the run's moment (plan.h) to the deed, and from
  // there to its end.
  std::chrono::milliseconds at{0};
  std::chrono::milliseconds lasts{0};
  int size = 0;

  bool operator==(const Fault&) const = default;
};

// "ftd-killed primary": what the figures of a run are counted under.
std::string Label(const Fault& fault);
// "ftd-killed primary at 431 ms for 1200 ms".
std::string Text(const Fault& fault);
// They may be in force at the same time.
bool Compatible(const Fault& one, const Fault& other);

}  // namespace ft::chaos
