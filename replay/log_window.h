// SPDX-License-Identifier: GPL-2.0-or-later
//
// Positions in an archived log, by reading it from its beginning. Blocking.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logchannel/status.h"

namespace ft::replay {

// Log positions, from the first entry at or after `from` to the first at or
// after `to`.
struct LogWindow {
  uint64_t from = 0;
  uint64_t to = 0;
};

// The stretch of so many instructions, or as many as there are, that begins
// where `share` (0 to 1) of all of the log's have been executed.
Result<LogWindow> WindowOf(const std::string& log_path, double share,
                           uint64_t instructions);

// One entry, and what is in it.
struct LogEntryText {
  uint64_t position = 0;
  uint64_t end = 0;
  uint64_t instruction = 0;  // since the log began, before its first event
  std::vector<std::string> events = {};  // Summary() of each
};

// The entry that ends at `end` or, if none does, has `end` inside.
Result<LogEntryText> EntryEndingAt(const std::string& log_path, uint64_t end);

// The last digest of the whole machine (EventKind::kState) that is in the log
// before `position`.
struct LastState {
  LogEntryText entry;     // that has it
  uint64_t previous = 0;  // end of the entry with the one before; 0: none
};
// Invalid if there is none.
Result<LastState> LastStateBefore(const std::string& log_path,
                                  uint64_t position);

// The ends of all entries that end after `from` and not after `to`.
Result<std::vector<uint64_t>> EntryEnds(const std::string& log_path,
                                        uint64_t from, uint64_t to);

}  // namespace ft::replay
