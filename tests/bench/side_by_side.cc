// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/side_by_side.h"

#include <poll.h>

#include <array>
#include <boost/json/value.hpp>
#include <chrono>

#include "tests/bench/paced_child.h"
#include "tests/bench/time_slices.h"

namespace ft::bench {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;

// Long against what a switch costs, short against the machine's moods.
constexpr int kTurnMs = 200;

json::value ToJson(const Stretch& stretch) {
  return {{"begin", stretch.begin.time_since_epoch().count()},
          {"end", stretch.end.time_since_epoch().count()},
          {"cpu", stretch.cpu_seconds}};
}

// In the turns that were `who`'s.
Stretch FromJson(const json::value& value, const TimeSlices& slices,
                 size_t who) {
  const auto time = [&](const char* key) {
    return Clock::time_point(
        Clock::duration(value.at(key).to_number<int64_t>()));
  };
  Stretch stretch = {.begin = time("begin"),
                     .end = time("end"),
                     .cpu_seconds = value.at("cpu").to_number<double>()};
  stretch.seconds = slices.Had(who, stretch.begin, stretch.end);
  return stretch;
}

// Both children's work, in turns. Nothing if one of them failed.
std::optional<TimeSlices> TakeTurns(std::array<PacedChild*, 2> children) {
  for (PacedChild* child : children) {
    if (!child->AwaitReady()) return std::nullopt;
    child->Signal(SIGSTOP);
    child->Go();
  }
  TimeSlices slices;
  std::array<pollfd, 2> ends = {
      pollfd{.fd = children[0]->fd(), .events = POLLIN, .revents = 0},
      pollfd{.fd = children[1]->fd(), .events = POLLIN, .revents = 0}};
  for (size_t turn = 0;; turn = 1 - turn) {
    slices.Turn(turn, Clock::now());
    children[turn]->Signal(SIGCONT);
    if (poll(ends.data(), ends.size(), kTurnMs) > 0) break;
    children[turn]->Signal(SIGSTOP);
  }
  slices.End(Clock::now());
  for (PacedChild* child : children) child->Signal(SIGCONT);
  for (PacedChild* child : children) {
    if (!child->AwaitDone()) return std::nullopt;
  }
  return slices;
}

json::value PlainResult(const Workload& workload, Pacing& pacing) {
  const auto run = RunPlain(workload, &pacing);
  return run ? ToJson(run->plain) : json::value();
}

json::value ReplicatedResult(const Workload& workload, Pacing& pacing) {
  const auto run = RunReplicated(workload, &pacing);
  if (!run) return {};
  return {{"record", ToJson(run->record)},
          {"replay", ToJson(run->replay)},
          {"log_bytes", run->log_bytes},
          {"instructions", run->instructions}};
}

}  // namespace

std::optional<SideBySide> RunSideBySide(const Workload& workload) {
  const auto plain = [&](Pacing& pacing) {
    return PlainResult(workload, pacing);
  };
  PacedChild replicated(
      [&](Pacing& pacing) { return ReplicatedResult(workload, pacing); });
  SideBySide both;
  std::optional<TimeSlices> recorded, replayed;
  {
    PacedChild beside(plain);
    recorded = TakeTurns({&beside, &replicated});
    const auto result = recorded ? beside.AwaitResult() : std::nullopt;
    if (!result) return std::nullopt;
    both.plain.plain = FromJson(*result, *recorded, 0);
  }
  {
    PacedChild beside(plain);
    replayed = TakeTurns({&beside, &replicated});
    const auto result = replayed ? beside.AwaitResult() : std::nullopt;
    if (!result) return std::nullopt;
    both.plain_of_replay.plain = FromJson(*result, *replayed, 0);
  }
  const auto result = replicated.AwaitResult();
  if (!result) return std::nullopt;
  both.ft.record = FromJson(result->at("record"), *recorded, 1);
  both.ft.replay = FromJson(result->at("replay"), *replayed, 1);
  both.ft.log_bytes = result->at("log_bytes").to_number<uint64_t>();
  both.ft.instructions = result->at("instructions").to_number<uint64_t>();
  return both;
}

}  // namespace ft::bench
