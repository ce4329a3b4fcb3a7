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

bool HasRedis(const Workload& workload) {
  return workload.peer == Peer::kClient || workload.peer == Peer::kClock;
}

replay::PairOptions OptionsFor(const Workload& workload, bool plain) {
  return {
      .workload = workload.guest,
      .rounds = workload.rounds,
      .memory_mib = workload.memory_mib,
      .network = true,
      .kernel_arguments = std::string(HasRedis(workload) ? "" : "ft.gate=1 ") +
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

std::optional<Clock::time_point> WaitForLine(EnginePair& pair, Side side,
                                             const char* prefix) {
  if (pair.WaitForConsole(side, prefix, kPatience)) {
    pair.WaitUntil([&] { return pair.LineTime(side, prefix).has_value(); },
                   kPatience);
  }
  return pair.LineTime(side, prefix);
}

std::optional<Stretch> BetweenMarks(EnginePair& pair, Side side) {
  const auto start = WaitForLine(pair, side, kStart);
  const double cpu = pair.CpuSeconds(side);
  const auto done = WaitForLine(pair, side, kDone);
  if (!start || !done) return std::nullopt;
  return Stretch{.begin = *start,
                 .end = *done,
                 .seconds = Seconds(*done - *start),
                 .cpu_seconds = pair.CpuSeconds(side) - cpu};
}

std::optional<Stretch> ServeClient(EnginePair& pair, Requests& requests) {
  const auto begun = Clock::now();
  const double cpu = pair.CpuSeconds(Side::kPrimary);
  KvClient client;
  const bool done = pair.WaitUntil([&] { return client.done(); }, kPatience);
  if (done) requests = client.requests();
  if (!done || !client.error().empty()) {
    fmt::print(stderr, "bench: client: {}\n",
               done ? client.error() : "not done in time");
    return std::nullopt;
  }
  return Stretch{.seconds = Seconds(Clock::now() - begun),
                 .cpu_seconds = pair.CpuSeconds(Side::kPrimary) - cpu};
}

bool AwaitTurn(EnginePair& pair, Side side, Pacing* pacing) {
  if (pacing == nullptr) return true;
  pacing->OnReady(pair.EnginePid(side));
  return pair.WaitUntil([&] { return pacing->may_begin(); }, kPatience);
}

std::optional<Stretch> PacedBetweenMarks(EnginePair& pair, Side side,
                                         Pacing* pacing) {
  const auto stretch = BetweenMarks(pair, side);
  if (pacing != nullptr) pacing->OnDone();
  return stretch;
}

// The workload from its beginning to its end, on a guest that is ready.
std::optional<Stretch> RunToEnd(EnginePair& pair, const Workload& workload,
                                Requests& requests, Pacing* pacing) {
  if (workload.peer == Peer::kClient) return ServeClient(pair, requests);
  if (!AwaitTurn(pair, Side::kPrimary, pacing)) return std::nullopt;
  std::unique_ptr<BulkPeer> peer;
  if (workload.peer != Peer::kNobody) {
    peer = std::make_unique<BulkPeer>(workload.peer, workload.rounds);
  }
  Gate gate;
  if (!pair.WaitUntil([&] { return gate.Open(); }, kPatience)) {
    fmt::print(stderr, "bench: {}: the gate stays shut\n", workload.name);
    return std::nullopt;
  }
  return PacedBetweenMarks(pair, Side::kPrimary, pacing);
}

// How long the backup takes for the log from one position to another.
std::optional<Stretch> ReplayBetween(EnginePair& pair, uint64_t from,
                                     uint64_t to) {
  auto& ring = pair.engine(Side::kBackup).ring();
  const auto reached = [&](uint64_t position) {
    return pair.WaitUntil(
               [&] { return ring.consumed() >= position || pair.failed(); },
               kPatience) &&
           !pair.failed();
  };
  if (!reached(from)) return std::nullopt;
  const auto begun = Clock::now();
  const double cpu = pair.CpuSeconds(Side::kBackup);
  if (!reached(to)) return std::nullopt;
  return Stretch{.seconds = Seconds(Clock::now() - begun),
                 .cpu_seconds = pair.CpuSeconds(Side::kBackup) - cpu};
}

}  // namespace

std::optional<PlainRun> RunPlain(const Workload& workload, Pacing* pacing) {
  EnginePair pair(OptionsFor(workload, true));
  PlainRun run;
  if (!pair.StartPrimary() || !pair.WaitForConsole(Side::kPrimary, kReady)) {
    return std::nullopt;
  }
  const auto plain = RunToEnd(pair, workload, run.requests, pacing);
  if (!plain) return std::nullopt;
  run.plain = *plain;
  return run;
}

std::optional<ReplicatedRun> RunReplicated(const Workload& workload,
                                           Pacing* pacing) {
  EnginePair pair(OptionsFor(workload, false));
  ReplicatedRun run;
  if (!pair.StartPrimary() || !pair.WaitForConsole(Side::kPrimary, kReady) ||
      !pair.Clone() || !pair.Protect()) {
    return std::nullopt;
  }
  const auto before = pair.Query(Side::kPrimary);
  const auto record = RunToEnd(pair, workload, run.requests, pacing);
  if (!record) return std::nullopt;
  const auto after = pair.Query(Side::kPrimary);
  if (!pair.Stop(Side::kPrimary)) return std::nullopt;
  if (!AwaitTurn(pair, Side::kBackup, pacing)) return std::nullopt;
  pair.Feed();
  const auto replay =
      workload.peer == Peer::kClient
          ? ReplayBetween(pair, before.committed, after.committed)
          : PacedBetweenMarks(pair, Side::kBackup, pacing);
  if (replay) pair.ExpectIdentical();
  if (!replay || pair.failed()) return std::nullopt;
  run.record = *record;
  run.replay = *replay;
  run.log_bytes = after.committed - before.committed;
  run.instructions = after.icount - before.icount;
  return run;
}

std::optional<ClockRun> RunClock(const Workload& workload) {
  EnginePair pair(OptionsFor(workload, false));
  if (!pair.StartPrimary() || !pair.WaitForConsole(Side::kPrimary, kReady) ||
      !pair.Clone() || !pair.Protect()) {
    return std::nullopt;
  }
  const std::chrono::seconds duration(workload.rounds);
  ClockClient client(duration, workload.busy);
  const bool done =
      pair.WaitUntil([&] { return client.done(); }, duration + kPatience);
  if (done && client.error().empty() && !pair.failed()) return client.run();
  fmt::print(stderr, "bench: {}: {}\n", workload.name,
             done ? client.error() : "not done in time");
  return std::nullopt;
}

}  // namespace ft::bench
