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

// One entry or some that follow each other, and what is in them.
struct LogEntryText {
  int entries = 0;
  uint64_t position = 0;
  uint64_t end = 0;
  uint64_t instruction = 0;  // since the log began, before its first event
  std::vector<std::string> events = {};  // Summary() of each
};

// The entry that ends at `end` or, if none does, has `end` inside. Invalid if
// the log has none.
Result<LogEntryText> EntryEndingAt(const std::string& log_path, uint64_t end);

// Where `position` is inside a log with dense digests, and the machine that
// was there is not the recorded one: the entries in which it became another
// one, as far as the digests of the whole machine (EventKind::kState) tell.
//
//     ...state] [entry] [entry state] [entry ...     `position` behind it
//              |<------------------->|               at_state
//                                    |<-- ... -->|   otherwise
//
// `at_state`: it was noticed by the last such digest before `position`, which
// is in the last of these entries; else after it. Before the first digest the
// log's beginning counts as one. Invalid if there are none.
Result<LogEntryText> EntriesSinceState(const std::string& log_path,
                                       uint64_t position, bool at_state);

// The ends of all entries that end after `from` and not after `to`.
Result<std::vector<uint64_t>> EntryEnds(const std::string& log_path,
                                        uint64_t from, uint64_t to);

}  // namespace ft::replay
