// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a log is made of: events and bytes by kind, and what it costs for each
// instruction and second. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/log_entry.h"
#include "replay/log_event.h"

namespace ft::replay {

class LogStatistics {
 public:
  struct Kind {
    uint64_t events = 0;
    uint64_t bytes = 0;
  };
  struct LargeEntry {
    uint64_t position = 0;
    uint64_t bytes = 0;  // with its header
    uint64_t events = 0;
    std::string largest;  // Summary() of its largest event
  };
  static constexpr size_t kLargest = 5;

  // `time_us`: 0 if it is not known.
  void BeginEntry(const logchannel::LogEntry& entry, int64_t time_us);
  void Add(const LogEvent& event);
  // After the last event of the last entry.
  void Finish() { EndEntry(); }

  const std::map<EventKind, Kind>& kinds() const { return kinds_; }
  uint64_t entries() const { return entries_; }
  uint64_t events() const;
  // Of the log, headers of entries included.
  uint64_t bytes() const { return bytes_; }
  uint64_t header_bytes() const;
  uint64_t instructions() const { return instructions_; }
  // Of packets to the guest, without what the log has around them.
  uint64_t net_bytes() const { return net_bytes_; }
  const std::vector<LargeEntry>& largest() const { return largest_; }

  // How long the log took to come to be: by the times of its chunks, else by
  // the host's clock as the guest's machine read it. Nothing if neither is
  // there.
  std::optional<double> seconds() const;
  std::optional<double> megabits_per_second() const;
  double bytes_per_1000_instructions() const;

 private:
  void EndEntry();

  std::map<EventKind, Kind> kinds_;
  uint64_t entries_ = 0;
  uint64_t bytes_ = 0;
  uint64_t instructions_ = 0;
  uint64_t net_bytes_ = 0;
  int64_t time_us_ = 0;
  std::optional<int64_t> first_clock_ns_, last_clock_ns_;
  std::vector<LargeEntry> largest_;  // the largest first
  LargeEntry entry_;                 // in the making, if it has bytes
  size_t largest_event_bytes_ = 0;
};

}  // namespace ft::replay
