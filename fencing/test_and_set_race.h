// SPDX-License-Identifier: GPL-2.0-or-later
//
// Race: contenders who all ask for the same epoch at the same moment, again
// and again, and a count of how many were told kAcquired each time.
#pragma once

#include <functional>
#include <memory>
#include <string>

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
  // Answers other than kAcquired and kHeldByPeer.
  int unreachable = 0;
};

RaceResult Race(const OpenStore& open, const std::string& vm,
                const RaceOptions& options);

}  // namespace ft::fencing
