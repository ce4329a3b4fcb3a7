// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/measured_run.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "tests/bench/peers.h"
#include "tests/replay/engine_pair.h"

namespace ft::bench {
namespace {

using replay::EnginePair;
using replay::Side;
using Clock = std::chrono::steady_clock;

constexpr char kReady[] = "FT-GUEST-READY";
constexpr char kStart[] = "FT-GUEST-START";
constexpr char kDone[] = "FT-GUEST-DONE";
// For one workload; a loaded machine may be slow, a stuck guest is forever.
constexpr std::chrono::minutes kPatience(5);

replay::PairOptions OptionsFor(const Workload& workload, bool plain) {
  return {.workload = workload.guest,
          .rounds = workload.rounds,
          .memory_mib = workload.memory_mib,
          .network = true,
          .kernel_arguments =
              std::string(workload.peer == Peer::kClient ? "" : "ft.gate=1 ") +
              workload.kernel_arguments,
          .initrd = workload.initrd,
          .plain = plain,
          .archive = !plain,
          .fail = [name = std::string(workload.name)](const std::string& what) {
            fmt::print(stderr, "bench: {}: {}\n", name, what);
          }};
}

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

bool WaitForEnd(EnginePair& pair, Side side) {
  return pair.WaitForConsole(side, kDone, kPatience) &&
         pair.WaitUntil([&] { return pair.LineTime(side, kDone).has_value(); },
                        kPatience);
}

std::optional<double> BetweenMarks(EnginePair& pair, Side side) {
  const auto start = pair.LineTime(side, kStart);
  const auto done = pair.LineTime(side, kDone);
  if (!start || !done) return std::nullopt;
  return Seconds(*done - *start);
}

// The workload from its beginning to its end, on a guest that is ready.
bool RunToEnd(EnginePair& pair, const Workload& workload, Requests& requests) {
  if (workload.peer == Peer::kClient) {
    KvClient client;
    const bool done = pair.WaitUntil([&] { return client.done(); }, kPatience);
    requests = client.requests();
    if (!client.error().empty()) {
      fmt::print(stderr, "bench: {}: {}\n", workload.name, client.error());
    }
    return done && client.error().empty();
  }
  std::unique_ptr<BulkPeer> peer;
  if (workload.peer != Peer::kNobody) {
    peer = std::make_unique<BulkPeer>(workload.peer, workload.rounds);
  }
  Gate gate;
  return pair.WaitUntil([&] { return gate.Open(); }, kPatience) &&
         WaitForEnd(pair, Side::kPrimary);
}

// How long the backup takes for the log from one position to another.
std::optional<double> ReplayBetween(EnginePair& pair, uint64_t from,
                                    uint64_t to) {
  auto& ring = pair.engine(Side::kBackup).ring();
  std::optional<Clock::time_point> begun;
  const bool there = pair.WaitUntil(
      [&] {
        if (!begun && ring.consumed() >= from) begun = Clock::now();
        return ring.consumed() >= to || pair.failed();
      },
      kPatience);
  if (!there || !begun || pair.failed()) return std::nullopt;
  return Seconds(Clock::now() - *begun);
}

}  // namespace

std::optional<PlainRun> RunPlain(const Workload& workload) {
  EnginePair pair(OptionsFor(workload, true));
  PlainRun run;
  if (!pair.StartPrimary() || !pair.WaitForConsole(Side::kPrimary, kReady)) {
    return std::nullopt;
  }
  const auto begun = Clock::now();
  if (!RunToEnd(pair, workload, run.requests)) return std::nullopt;
  run.seconds = BetweenMarks(pair, Side::kPrimary)
                    .value_or(Seconds(Clock::now() - begun));
  return run;
}

std::optional<ReplicatedRun> RunReplicated(const Workload& workload) {
  EnginePair pair(OptionsFor(workload, false));
  ReplicatedRun run;
  if (!pair.StartPrimary() || !pair.WaitForConsole(Side::kPrimary, kReady) ||
      !pair.Clone() || !pair.Protect()) {
    return std::nullopt;
  }
  const auto before = pair.Query(Side::kPrimary);
  const auto begun = Clock::now();
  if (!RunToEnd(pair, workload, run.requests)) return std::nullopt;
  const auto ended = Clock::now();
  const auto after = pair.Query(Side::kPrimary);
  run.record_seconds =
      BetweenMarks(pair, Side::kPrimary).value_or(Seconds(ended - begun));
  run.log_bytes = after.committed - before.committed;
  run.instructions = after.icount - before.icount;
  if (!pair.Stop(Side::kPrimary)) return std::nullopt;
  pair.Feed();
  std::optional<double> replay;
  if (workload.peer == Peer::kClient) {
    replay = ReplayBetween(pair, before.committed, after.committed);
  } else if (WaitForEnd(pair, Side::kBackup)) {
    replay = BetweenMarks(pair, Side::kBackup);
  }
  pair.ExpectIdentical();
  if (!replay || pair.failed()) return std::nullopt;
  run.replay_seconds = *replay;
  return run;
}

}  // namespace ft::bench
