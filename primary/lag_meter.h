// SPDX-License-Identifier: GPL-2.0-or-later
//
// LagMeter: the execution lag, how long after the primary sent an entry the
// backup had executed it; and the rate of the log. Pure: `now` comes in.
//
// A sample is taken per sent frame: (position, time). When the backup says
// that it replayed through it, the difference is one measured lag. What is
// sent and not yet replayed counts too: the current lag is at least the age
// of the oldest such frame, so a backup that stands still shows a lag that
// grows, not the last good one.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <vector>

#include "logchannel/log_entry.h"

namespace ft::primary {

class LagMeter {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;

  // Frames under way. A full queue takes no new sample: the lag is then
  // measured on every frame that fits, which are the older ones.
  static constexpr size_t kPendingMax = 4096;
  // The percentiles are over this many measured lags, newest kept.
  static constexpr size_t kMeasuredMax = 4096;

  // `bytes` of log, ending at `position`, were handed to the connection.
  void OnSent(logchannel::LogPosition position, uint64_t bytes, Time now);
  // Frames of `bytes` on the wire left; compressed they are smaller.
  void OnWire(uint64_t bytes, Time now);
  // Monotonic.
  void OnReplayed(logchannel::LogPosition position, Time now);

  // Forgets the measured lags: what a backup needed to catch up says nothing
  // of how near it stays.
  void BeginPercentiles();

  // The lag now, in milliseconds; 0 when everything sent is replayed.
  double current_ms(Time now) const;
  // Nearest-rank percentile of the measured lags, 0 < p <= 100; 0 without
  // any.
  double percentile_ms(double p) const;

  uint64_t log_bytes() const { return log_bytes_; }
  // Megabits per second over the last one to two seconds.
  double mbit_per_s(Time now) const { return Rate(now, &Window::bytes); }
  uint64_t wire_bytes() const { return wire_bytes_; }
  double wire_mbit_per_s(Time now) const { return Rate(now, &Window::wire); }

 private:
  struct Pending {
    logchannel::LogPosition position;
    Time sent;
  };
  // Two windows of one second: the full one before, and the one being
  // filled.
  struct Window {
    Time begin;
    uint64_t bytes = 0;
    uint64_t wire = 0;
  };
  void Roll(Time now);
  double Rate(Time now, uint64_t Window::*what) const;

  std::deque<Pending> pending_;
  std::vector<float> measured_ms_;  // a ring once full
  size_t next_measured_ = 0;
  uint64_t log_bytes_ = 0;
  uint64_t wire_bytes_ = 0;
  Window previous_;
  Window current_;
};

}  // namespace ft::primary
