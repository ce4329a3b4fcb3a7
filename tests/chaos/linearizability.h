// SPDX-License-Identifier: GPL-2.0-or-later
//
// Is a history linearizable: can every operation be thought to have happened
// at one instant between its invocation and its return, so that all answers
// are what a single machine, never failed, would have given in that order?
// That is the promise of a failover to its clients, all of it: lost, doubled
// and stale writes are each one way to break it.
//
// Linearizability is compositional (Herlihy & Wing 1990): a history is
// linearizable if for each key the operations on that key are. So each key is
// judged alone. For one key the events are walked in time with the set of all
// *configurations* that explain what was seen so far,
//
//     (state of the register or list, which open operations took effect)
//
// and an operation is made to take effect as late as possible: when it, or
// one that needs it, returns (just-in-time linearization, Lowe 2017, after
// Wing & Gong 1993; equal configurations are kept once). At the return of an
// operation every configuration is extended by all orders of open operations
// that end with it; those that give another answer are dropped. If none is
// left, that return is the point of no progress and the history is not
// linearizable.
//
// An unknown operation stays open for ever. A configuration that has used
// more of the unknown ones than another, with all else equal, explains
// nothing that the other does not, and is dropped.
//
// With few clients there are few open operations, and the time is linear in
// the length of the history: 100 000 operations take well under a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/chaos/history.h"

namespace ft::chaos {

enum class Verdict {
  kLinearizable,
  kViolation,
  // More open operations or configurations than are looked at; with this few
  // clients it does not happen, and it is never taken for a yes.
  kUndecided,
};

struct CheckOptions {
  // Configurations at one time. More: undecided.
  size_t configurations_max = 200'000;
};

struct CheckResult {
  Verdict verdict = Verdict::kLinearizable;
  size_t operations = 0;
  size_t keys = 0;
  // The rest is empty if linearizable. The first such key, in order of time.
  std::string key{};
  // One line: what cannot be explained, and what could have been the answer.
  std::string why{};
  // The operations on the key around the point of no progress, by time of
  // invocation: the one that cannot be explained, those that overlap it, the
  // ones just before, and the writes of the values that play a part.
  std::vector<Operation> excerpt{};
  // Of them, the one that cannot be explained; it returned at the point of
  // no progress.
  Operation blocked{};

  bool ok() const { return verdict == Verdict::kLinearizable; }
  // `why`, then the excerpt, an operation a line, times in milliseconds
  // before (-) or after the point of no progress. For people.
  std::string Text() const;
};

// Pure. Operations in any order.
CheckResult CheckHistory(std::span<const Operation> history,
                         const CheckOptions& options = {});

}  // namespace ft::chaos
