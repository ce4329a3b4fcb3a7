// SPDX-License-Identifier: GPL-2.0-or-later
//
// One workload, run once: plain, or recorded and then replayed.
//
//     recorded   boot | clone | START ... DONE | stop   the log goes to memory
//     replayed                                   START ... DONE
//                       the clone waits with an idle vCPU  \ fed at full speed
//
// While one of the two runs the other costs no CPU, so the first time is what
// FT costs a primary, the second how fast a backup of its own could follow.
// The output rule is in force while it is recorded. In the end both machines'
// digests are compared: a fast replay of something else is no replay.
//
// Both times are taken here, from START to DONE on the console (console
// lines of the guest's workload), by this host's clock. A workload with a
// client is measured by the client instead, and its replay by log positions.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/bench/workload.h"

namespace ft::bench {

// What the client of a server saw.
struct Requests {
  // With many requests in flight at once.
  double per_second = 0;
  // One at a time, in microseconds.
  double p50_us = 0;
  double p99_us = 0;
};

// From START to DONE.
struct Stretch {
  using Time = std::chrono::steady_clock::time_point;
  Time begin = {}, end = {};
  double seconds = 0;
  // Of the engine, all its threads: what is left of a figure when others
  // want the same processors.
  double cpu_seconds = 0;
};

struct PlainRun {
  Stretch plain = {};
  Requests requests = {};
};

struct ReplicatedRun {
  Stretch record = {};
  Stretch replay = {};
  uint64_t log_bytes = 0;
  uint64_t instructions = 0;
  Requests requests = {};
};

// The guest's clock against this host's, since the first look.
struct ClockRun {
  double off_ms_max = 0;  // the largest difference, either way
  double off_ms_end = 0;
};

// Whoever lets a run go on only now and then (side_by_side.h).
class Pacing {
 public:
  virtual ~Pacing() = default;
  // The guest is ready; its work begins when may_begin().
  virtual void OnReady(pid_t engine) = 0;
  virtual bool may_begin() = 0;
  // The work is done.
  virtual void OnDone() = 0;
};

// Nothing when it failed; the reason was printed. The caller's thread is in a
// replay::NetworkBed, and the process has no other thread.
std::optional<PlainRun> RunPlain(const Workload& workload,
                                 Pacing* pacing = nullptr);
std::optional<ReplicatedRun> RunReplicated(const Workload& workload,
                                           Pacing* pacing = nullptr);
// Recorded, under the output rule, of a Peer::kClock.
std::optional<ClockRun> RunClock(const Workload& workload);

}  // namespace ft::bench
