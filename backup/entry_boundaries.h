// SPDX-License-Identifier: GPL-2.0-or-later
//
// EntryBoundaries: a backup's memory of where some of the log's entries
// begin. An entry's header does not say where the one before it began, so a
// ring that has been written around cannot be read from its oldest byte; it
// can from the oldest boundary that somebody remembers.
//
// A value; the memory is bounded.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "logchannel/log_entry.h"

namespace ft::backup {

class EntryBoundaries {
 public:
  // So far apart, so many: a ring of 32 MiB is covered with this resolution.
  static constexpr uint64_t kSpacing = 128u << 10;
  static constexpr size_t kCountMax = 512;

  // Positions grow. The first is remembered, then one every kSpacing bytes.
  void Add(logchannel::LogPosition position) {
    if (!positions_.empty() && position < positions_.back() + kSpacing) return;
    positions_.push_back(position);
    if (positions_.size() > kCountMax) positions_.pop_front();
  }

  // The oldest that is not before `lowest`; nothing if none is known.
  std::optional<logchannel::LogPosition> First(
      logchannel::LogPosition lowest) const {
    for (const logchannel::LogPosition position : positions_) {
      if (position >= lowest) return position;
    }
    return std::nullopt;
  }

 private:
  std::deque<logchannel::LogPosition> positions_;
};

}  // namespace ft::backup
