// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/fault.h"

#include <algorithm>

namespace ft::chaos {
namespace {

using enum FaultKind;

const std::vector<Target> kEitherSide = {Target::kPrimary, Target::kBackup};
const std::vector<Target> kBothSides = {Target::kBoth};

// Durations lie around what the protocol waits for: a lease of 0.1 s,
// suspicion after 0.4 and 0.5 s, TCP's 1 s, an orphan's 2 s.
const std::vector<FaultFacts> kFaults = {
    {.kind = kEngineKilled,
     .name = "engine-killed",
     .family = Family::kKill,
     .targets = kEitherSide,
     .lasts_min_ms = 0,
     .lasts_max_ms = 0,
     .kills_engine = true},
    {.kind = kFtdKilled,
     .name = "ftd-killed",
     .family = Family::kKill,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 4000},
    {.kind = kHostKilled,
     .name = "host-killed",
     .family = Family::kKill,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 4000,
     .kills_engine = true},
    {.kind = kEngineStopped,
     .name = "engine-stopped",
     .family = Family::kPause,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kFtdStopped,
     .name = "ftd-stopped",
     .family = Family::kPause,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kHostStopped,
     .name = "host-stopped",
     .family = Family::kPause,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kStarved,
     .name = "starved",
     .family = Family::kPause,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = 10,
     .size_max = 60,
     .unit = "%"},
    {.kind = kBusyMachine,
     .name = "busy-machine",
     .family = Family::kPause,
     .targets = kBothSides,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = 2,
     .size_max = 6,
     .unit = " processes"},
    {.kind = kHostCut,
     .name = "host-cut",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kUplinkCut,
     .name = "uplink-cut",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 3000,
     .parts = false},
    {.kind = kLogCut,
     .name = "log-cut",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kLogMute,
     .name = "log-mute",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kLogDeaf,
     .name = "log-deaf",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 50,
     .lasts_max_ms = 5000},
    {.kind = kSlowLog,
     .name = "slow-log",
     .family = Family::kCable,
     .targets = kBothSides,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = 1,
     .size_max = 150,
     .unit = " ms"},
    {.kind = kLossyLog,
     .name = "lossy-log",
     .family = Family::kCable,
     .targets = kBothSides,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = 1,
     .size_max = 40,
     .unit = "%"},
    {.kind = kNarrowLog,
     .name = "narrow-log",
     .family = Family::kCable,
     .targets = kBothSides,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = 1,
     .size_max = 200,
     .unit = " tenths of a Mbit/s"},
    {.kind = kCorruptLog,
     .name = "corrupt-log",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 500},
    {.kind = kTruncateLog,
     .name = "truncate-log",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 500},
    {.kind = kStoreGone,
     .name = "store-gone",
     .family = Family::kStore,
     .targets = {Target::kPrimary, Target::kBackup, Target::kBoth},
     .lasts_min_ms = 200,
     .lasts_max_ms = 5000,
     .size_min = kStoreMissing,
     .size_max = kStoreReadOnly,
     .parts = false,
     .storage = Storage::kDirectory},
    {.kind = kStoreFull,
     .name = "store-full",
     .family = Family::kStore,
     .targets = kBothSides,
     .lasts_min_ms = 200,
     .lasts_max_ms = 5000,
     .parts = false,
     .storage = Storage::kDirectory},
    {.kind = kStateFull,
     .name = "state-full",
     .family = Family::kDisk,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .parts = false},
    {.kind = kRingsFull,
     .name = "rings-full",
     .family = Family::kDisk,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .parts = false},
    {.kind = kServiceKilled,
     .name = "service-killed",
     .family = Family::kService,
     .targets = kBothSides,
     .lasts_min_ms = 100,
     .lasts_max_ms = 5000,
     .parts = false,
     .storage = Storage::kDiskService},
    {.kind = kServiceStopped,
     .name = "service-stopped",
     .family = Family::kService,
     .targets = kBothSides,
     .lasts_min_ms = 100,
     .lasts_max_ms = 5000,
     .parts = false,
     .storage = Storage::kDiskService},
    {.kind = kServiceFull,
     .name = "service-full",
     .family = Family::kService,
     .targets = kBothSides,
     .lasts_min_ms = 200,
     .lasts_max_ms = 5000,
     .parts = false,
     .storage = Storage::kDiskService},
    {.kind = kSanCut,
     .name = "san-cut",
     .family = Family::kCable,
     .targets = kEitherSide,
     .lasts_min_ms = 100,
     .lasts_max_ms = 5000,
     .parts = false,
     .storage = Storage::kDiskService},
    {.kind = kClockStep,
     .name = "clock-step",
     .family = Family::kClock,
     .targets = kEitherSide,
     .lasts_min_ms = 500,
     .lasts_max_ms = 4000,
     .size_min = -3600,
     .size_max = 3600,
     .unit = " s",
     .parts = false},
    {.kind = kMoved,
     .name = "moved",
     .family = Family::kOperator,
     .targets = kBothSides,
     .lasts_min_ms = 0,
     .lasts_max_ms = 0},
};

bool SameHost(Target one, Target other) {
  return one == other || one == Target::kBoth || other == Target::kBoth;
}

}  // namespace

std::span<const FaultFacts> AllFaults() { return kFaults; }

const char* Name(Storage storage) {
  return storage == Storage::kDirectory ? "directory" : "disk-service";
}

std::vector<FaultKind> FaultsWith(Storage storage) {
  std::vector<FaultKind> kinds;
  for (const FaultFacts& facts : kFaults) {
    if (facts.storage.value_or(storage) == storage) kinds.push_back(facts.kind);
  }
  return kinds;
}

const FaultFacts& FactsOf(FaultKind kind) {
  return *std::ranges::find(kFaults, kind, &FaultFacts::kind);
}

std::optional<FaultKind> FaultFromName(const std::string& name) {
  for (const FaultFacts& facts : kFaults) {
    if (name == facts.name) return facts.kind;
  }
  return std::nullopt;
}

const char* Name(Target target) {
  switch (target) {
    case Target::kPrimary:
      return "primary";
    case Target::kBackup:
      return "backup";
    case Target::kBoth:
      break;
  }
  return "both";
}

std::string Label(const Fault& fault) {
  const FaultFacts& facts = FactsOf(fault.kind);
  const std::string name = facts.name;
  return facts.targets.size() == 1 ? name : name + " " + Name(fault.target);
}

std::string Text(const Fault& fault) {
  const FaultFacts& facts = FactsOf(fault.kind);
  std::string text = Label(fault);
  if (facts.size_max != 0) {
    text += " (" + std::to_string(fault.size) + facts.unit + ")";
  }
  text += " at " + std::to_string(fault.at.count()) + " ms";
  if (fault.lasts.count() > 0) {
    text += " for " + std::to_string(fault.lasts.count()) + " ms";
  }
  return text;
}

bool Compatible(const Fault& one, const Fault& other) {
  const Family a = FactsOf(one.kind).family, b = FactsOf(other.kind).family;
  if (a != b) return true;
  // One cable, one store, one service, one operator for both; a process is
  // killed or stopped on one host without the other.
  const bool of_host =
      a == Family::kKill || a == Family::kPause || a == Family::kDisk;
  if (a == Family::kClock) return one.target != other.target;
  return of_host && !SameHost(one.target, other.target);
}

}  // namespace ft::chaos
