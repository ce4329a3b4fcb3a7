// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogDecoder: from log entries to the events in them.
//
//     LogDecoder decoder;
//     decoder.Begin(entry);
//     while (auto event = decoder.Next()) { ... }
//     if (!decoder.status().ok()) { ... the position is in the message ... }
//
// Entries come from files and peers that may be damaged: nothing outside the
// entry is ever read, each event moves forward by a byte at the least, and
// what is unknown or cut short is an error at its position, after which
// nothing more of that entry is decoded.
//
// The engine writes big-endian words. Events never cross entries. The kinds
// are those of FT_RING_VERSION; logs of other versions are not opened
// (logchannel/archived_log.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "logchannel/log_entry.h"
#include "logchannel/status.h"
#include "replay/log_event.h"

namespace ft::replay {

class LogDecoder {
 public:
  // The bytes behind the entry's payload must outlive the decoding. Counts
  // instructions on from the entry before.
  void Begin(const logchannel::LogEntry& entry);

  // The next event; nothing at the end of the entry, or where it cannot be
  // decoded.
  std::optional<LogEvent> Next();

  // Of the entry that was begun last.
  const Status& status() const { return status_; }
  // Instructions in all entries so far.
  uint64_t instructions() const { return instructions_; }

 private:
  class Reader;
  // The event's fields. False when the entry ends before.
  static bool ReadFields(uint8_t kind, Reader& reader, LogEvent& event);

  std::span<const std::byte> rest_;
  uint64_t position_ = 0;  // of rest_
  uint64_t instructions_ = 0;
  Status status_;
};

}  // namespace ft::replay
