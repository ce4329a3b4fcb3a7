// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogScan: an archived log from its first event to its last.
//
//     auto scan = LogScan::Open(path);
//     while ((*scan)->NextEntry()) {
//       while (auto event = (*scan)->NextEvent()) { ... }
//     }
//     if (!(*scan)->status().ok()) { ... one line: file, offset, what ... }
//
// Blocking reads, one chunk in memory. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "logchannel/archived_log.h"
#include "logchannel/log_entry.h"
#include "logchannel/status.h"
#include "replay/log_decoder.h"
#include "replay/log_event.h"

namespace ft::replay {

class LogScan {
 public:
  // Errors: ArchivedLogReader::Open's.
  static Result<std::unique_ptr<LogScan>> Open(const std::string& path);

  const logchannel::ArchivedLogHead& head() const { return reader_->head(); }

  // Steps to the next entry, over events of this one that nobody asked for.
  // False at the end, and at the first damage.
  bool NextEntry();
  // The next event of this entry; valid until NextEntry().
  std::optional<LogEvent> NextEvent();

  const logchannel::LogEntry& entry() const { return entry_; }
  // When its chunk was written, microseconds since the log's head; 0: unknown.
  int64_t time_us() const { return chunk_ ? chunk_->time_us : 0; }
  // Of all events so far.
  uint64_t instructions() const { return decoder_.instructions(); }
  // The end of the last entry.
  uint64_t position() const { return position_; }
  // Set when status() is not ok.
  const std::optional<logchannel::ArchiveDamage>& damage() const {
    return damage_;
  }
  Status status() const { return status_; }

 private:
  explicit LogScan(std::unique_ptr<logchannel::ArchivedLogReader> reader);
  // Decodes what is left of the entry; false if that is damaged.
  bool FinishEntry();

  const std::unique_ptr<logchannel::ArchivedLogReader> reader_;
  LogDecoder decoder_;
  std::optional<logchannel::ArchivedChunk> chunk_;
  logchannel::EntryWalker walker_{{}, 0};
  logchannel::LogEntry entry_;
  uint64_t position_;
  std::optional<logchannel::ArchiveDamage> damage_;
  Status status_;
};

}  // namespace ft::replay
