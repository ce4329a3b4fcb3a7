// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/run.h"

#include <fmt/format.h>

#include "tests/sim/backup_side.h"
#include "tests/sim/mischief.h"
#include "tests/sim/primary_side.h"
#include "tests/sim/recovery_side.h"
#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr Time kMischief = 3 * kSecond;
// Longest retry, deadline of the store, farewells: all under way together.
constexpr Time kPatience = 8 * kSecond;

// Nobody is about to do anything that could change who runs the VM.
bool Settled(const World& world) {
  const Engine* serving = world.serving();
  if (serving == nullptr) return false;
  const Ftd& other = *world.hosts[1 - serving->host].ftd;
  if (other.recovery() != nullptr) return false;
  const BackupSide* backup = other.backup();
  return backup == nullptr || backup->phase() == BackupSide::Phase::kWatching;
}

void RunToTheEnd(World& world) {
  Mischief mischief(world, kMischief);
  if (!world.RunUntil(kMischief) || !world.RunUntil(world.thawed_at())) return;
  world.Heal();
  for (int host : {0, 1}) world.RestartFtd(host);
  if (!world.RunFor(300 * kMs)) return;
  world.RunUntilHolds([&world] { return Settled(world); }, kPatience);
  world.Judge();
}

}  // namespace

RunResult RunOnce(const Options& options, size_t trace_lines,
                  bool always_tell) {
  World world(options);
  RunToTheEnd(world);
  RunResult result{.seed = options.seed,
                   .violation = world.violation(),
                   .steps = world.schedule.steps(),
                   .digest = world.trace.digest(),
                   .answered = world.clients.answered(),
                   .failovers = world.invariants.newest_epoch() - 1,
                   .faults = world.faults(),
                   .served = world.serving() != nullptr,
                   .trace = ""};
  if (result.violation || always_tell) {
    result.trace = world.trace.Tell(trace_lines);
  }
  return result;
}

std::string Tell(const RunResult& result, const Options& options) {
  const fencing::Violation& violation = *result.violation;
  std::string again =
      fmt::format("./lockstep sim --only {} --runs 1", result.seed);
  if (options.planted != Planted::kNone) {
    again += fmt::format(" --plant {}", Name(options.planted));
  }
  return fmt::format(
      "VIOLATION of {} ({})\n  {}\n  seed {}, step {}\n{}  again: {}\n",
      fencing::Name(violation.invariant),
      fencing::Sentence(violation.invariant), violation.what, result.seed,
      result.steps, result.trace, again);
}

}  // namespace ft::sim
