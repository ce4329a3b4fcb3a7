// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_statistics.h"

#include <algorithm>

namespace ft::replay {
namespace {

// REPLAY_CLOCK_VIRTUAL_RT: moves with the host's time, but not while the VM
// stands still.
constexpr uint32_t kVirtualRt = 1;

}  // namespace

void LogStatistics::BeginEntry(const logchannel::LogEntry& entry,
                               int64_t time_us) {
  EndEntry();
  entry_.position = entry.position;
  entry_.bytes = entry.payload.size() + logchannel::kEntryHeaderBytes;
  ++entries_;
  bytes_ += entry_.bytes;
  time_us_ = std::max(time_us_, time_us);
}

void LogStatistics::Add(const LogEvent& event) {
  Kind& kind = kinds_[event.kind];
  ++kind.events;
  kind.bytes += event.bytes;
  ++entry_.events;
  if (event.bytes > largest_event_bytes_) {
    largest_event_bytes_ = event.bytes;
    entry_.largest = Summary(event);
  }
  if (event.kind == EventKind::kInstruction) {
    instructions_ += static_cast<uint64_t>(event.value);
  } else if (event.kind == EventKind::kNet) {
    net_bytes_ += event.data.size();
  } else if (event.kind == EventKind::kClock && event.id == kVirtualRt) {
    if (!first_clock_ns_) first_clock_ns_ = event.value;
    last_clock_ns_ = event.value;
  }
}

void LogStatistics::EndEntry() {
  if (entry_.bytes > 0) {
    const auto place = std::ranges::upper_bound(
        largest_, entry_.bytes, std::greater<>(), &LargeEntry::bytes);
    largest_.insert(place, std::move(entry_));
    if (largest_.size() > kLargest) largest_.pop_back();
  }
  entry_ = {};
  largest_event_bytes_ = 0;
}

uint64_t LogStatistics::events() const {
  uint64_t sum = 0;
  for (const auto& [kind, figures] : kinds_) sum += figures.events;
  return sum;
}

uint64_t LogStatistics::header_bytes() const {
  return entries_ * logchannel::kEntryHeaderBytes;
}

std::optional<double> LogStatistics::seconds() const {
  if (time_us_ > 0) return static_cast<double>(time_us_) * 1e-6;
  if (!first_clock_ns_ || *last_clock_ns_ <= *first_clock_ns_) {
    return std::nullopt;
  }
  // A damaged log may have any two times.
  return (static_cast<double>(*last_clock_ns_) -
          static_cast<double>(*first_clock_ns_)) *
         1e-9;
}

std::optional<double> LogStatistics::megabits_per_second() const {
  const auto time = seconds();
  if (!time) return std::nullopt;
  return static_cast<double>(bytes_) * 8e-6 / *time;
}

double LogStatistics::bytes_per_1000_instructions() const {
  if (instructions_ == 0) return 0;
  return static_cast<double>(bytes_) * 1000 /
         static_cast<double>(instructions_);
}

}  // namespace ft::replay
