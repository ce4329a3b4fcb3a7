// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a run is made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ft::sim {

// A fault in the protocol itself, planted at a seam of the simulator, to
// show that the invariants catch it. Production code knows none of them.
enum class Planted {
  kNone,
  kSkipTestAndSet,         // a contender is always told that it won
  kReleaseBeforeAck,       // the engine lets outputs go at once
  kAckAfterContending,     // a backup that contends acknowledges still
  kForgetEpoch,            // contenders ask for whatever epoch there is
  kUnreachableIsAcquired,  // no answer counts as a won one
  kNoOutputLease,          // acknowledged is for ever
  kLeaseFromHearing,       // the lease counts from when ftd reads the Ack
  kGoLiveWithoutDraining,  // the backup lives where it happens to be
};
constexpr int kPlantedCount = 9;
// "skip-test-and-set", ...; as --plant takes it.
const char* Name(Planted);
std::optional<Planted> PlantedFromName(const std::string& name);

struct Options {
  uint64_t seed = 1;
  Planted planted = Planted::kNone;
};

}  // namespace ft::sim
