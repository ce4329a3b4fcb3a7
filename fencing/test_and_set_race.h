// SPDX-License-Identifier: GPL-2.0-or-later
//
// Race: contenders who all ask for the same epoch at the same moment, again
// and again, and a count of how many were told kAcquired each time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fencing/test_and_set.h"

namespace ft::fencing {

// A handle of one contender's own. Called in the contender's thread or
// process.
using OpenStore = std::function<std::unique_ptr<TestAndSet>()>;

struct RaceOptions {
  int contenders = 2;
  int rounds = 1000;
  // Forked processes instead of threads.
  bool processes = false;
};

struct RaceResult {
  // Rounds with exactly one winner; with none; with two or more.
  int won = 0;
  int unwon = 0;
  int split = 0;
  // Winners of the round whose name was not in the record that they or a
  // loser were shown.
  int misnamed = 0;
  // Answers other than kAcquired and kHeldByPeer. Who got one asked again, as
  // agents do...
  int unreachable = 0;
  // ... and gave up.
  int unanswered = 0;
  // How long each winner waited for its answer, ascending.
  std::vector<uint32_t> decisions_us;
};

RaceResult Race(const OpenStore& open, const std::string& vm,
                const RaceOptions& options);

// How long each of `count` decisions takes that nobody contests, ascending;
// shorter if the store failed. The first, for which it may have to connect,
// is not among them.
std::vector<uint32_t> MeasureDecisions(TestAndSet& store, const std::string& vm,
                                       int count);

// The value below which `share` (0 to 1) of `ascending` lie; 0 for none.
uint32_t Quantile(const std::vector<uint32_t>& ascending, double share);

}  // namespace ft::fencing
