// SPDX-License-Identifier: GPL-2.0-or-later
//
// One run: a world, three seconds of mischief, a healing, a judgement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fencing/invariants.h"
#include "tests/sim/options.h"

namespace ft::sim {

struct RunResult {
  uint64_t seed = 0;
  std::optional<fencing::Violation> violation;
  uint64_t steps = 0;     // events so far
  uint64_t digest = 0;    // of everything that was noted; equal runs, equal
  uint64_t answered = 0;  // writes
  uint64_t failovers = 0;
  int faults = 0;
  bool served = false;  // somebody ran the VM at the end
  std::string trace;    // the last events, with a violation
};

// `trace_lines`: how many of the last events to tell if it fails; with
// `always_tell` if it does not as well.
RunResult RunOnce(const Options& options, size_t trace_lines = 60,
                  bool always_tell = false);

// Several lines: what, when, the events before, and how to run it again.
std::string Tell(const RunResult& result, const Options& options);

}  // namespace ft::sim
