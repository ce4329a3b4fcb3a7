// SPDX-License-Identifier: GPL-2.0-or-later
//
// An archived log: a part of one VM's log in a file, kept because somebody
// will want to look into it or replay it.
//
//     file    := head chunk* end
//     record  := kind | length | CRC32C | body of `length` bytes
//                 4      4        4                     little endian
//     head    := record "FLOG", body: ArchivedLogHead (archived_log.proto)
//     chunk   := record "FCHK", body: first | time | whole log entries
//                                       8      8
//     end     := record "FEND", body: position
//                                       8
//
// A record's checksum covers kind, length and body. `first` is the log
// position of the chunk's first entry, `time` microseconds since the head was
// made (0: not known), `position` the end of the last entry. Chunks follow
// each other without a gap. A file without its end was cut, or its writer
// died; what is before the damage is good, and the reader gives all of it.
//
// Memory: one chunk, at most kArchivedChunkBytesMax. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "logchannel/archived_log.pb.h"
#include "logchannel/log_entry.h"
#include "logchannel/status.h"

namespace ft::logchannel {

using ArchivedLogHead = wire::ArchivedLogHead;

inline constexpr uint32_t kArchivedLogVersion = 1;
// Entries are collected until they have so many bytes.
inline constexpr size_t kArchivedChunkBytes = 64u << 10;
// One entry of the largest size fits behind a chunk that was nearly full.
inline constexpr size_t kArchivedChunkBytesMax =
    kArchivedChunkBytes + kEntryBytesMax;

class ArchivedLogWriter {
 public:
  // A new file, or the old one is overwritten. Of `head` everything is the
  // caller's but version and, if they are 0, ring_version and made_unix_ms.
  static Result<std::unique_ptr<ArchivedLogWriter>> Create(
      const std::string& path, ArchivedLogHead head);
  // Without Finish() the file has no end, as after a crash.
  ~ArchivedLogWriter() = default;
  ArchivedLogWriter(const ArchivedLogWriter&) = delete;
  ArchivedLogWriter& operator=(const ArchivedLogWriter&) = delete;

  // Whole entries (FT_CHECKed), the first of them at end(). `time_us` is the
  // time of the last of them, since the head was made.
  Status Append(std::span<const std::byte> entries, int64_t time_us = 0);
  // What was appended is a chunk now, in the hands of the operating system.
  Status Flush();
  // Flushes, writes the end and closes; nothing may follow.
  Status Finish();

  // Where the next entry goes.
  LogPosition end() const { return end_; }
  const std::string& path() const { return path_; }

 private:
  ArchivedLogWriter(const std::string& path, LogPosition first);
  Status Write(uint32_t kind, std::span<const std::byte> body);

  const std::string path_;
  std::ofstream file_;
  LogPosition end_;
  // The chunk in the making: its two words and its entries.
  std::vector<std::byte> chunk_;
  LogPosition chunk_first_;
  int64_t chunk_time_us_ = 0;
};

// Valid until the reader's next call.
struct ArchivedChunk {
  uint64_t offset = 0;  // in the file
  LogPosition first = 0;
  int64_t time_us = 0;  // 0: not known
  std::span<const std::byte> entries;
};

// Where a file stops being an archived log.
struct ArchiveDamage {
  uint64_t offset = 0;  // in the file
  std::string what;     // "the file ends inside a chunk"
  // Every entry before it was readable.
  LogPosition position = 0;
};

class ArchivedLogReader {
 public:
  // Invalid when it is no archived log, its version or its engine's ring
  // version is not ours, or its head is damaged; Unavailable when it cannot be
  // read.
  static Result<std::unique_ptr<ArchivedLogReader>> Open(
      const std::string& path);
  ArchivedLogReader(const ArchivedLogReader&) = delete;
  ArchivedLogReader& operator=(const ArchivedLogReader&) = delete;

  const ArchivedLogHead& head() const { return head_; }
  const std::string& path() const { return path_; }

  // The next chunk, with entries that are whole and valid; nothing at the
  // end, or where the file is damaged, and for ever after.
  std::optional<ArchivedChunk> Next();

  // Set once Next() has met it.
  const std::optional<ArchiveDamage>& damage() const { return damage_; }
  // Ok, or one line that says file, offset, what, and what is readable.
  Status status() const;
  // The end of the last entry that was read.
  LogPosition position() const { return position_; }

 private:
  struct Record {
    uint64_t offset = 0;
    uint32_t kind = 0;
    std::span<const std::byte> body;
  };

  ArchivedLogReader(const std::string& path, std::ifstream file);
  Status ReadHead();
  std::optional<Record> ReadRecord();
  std::optional<ArchivedChunk> CheckChunk(const Record& record);
  void CheckEnd(const Record& record);
  // Fewer only at the end of the file.
  size_t ReadBytes(std::span<std::byte> out);
  void Damaged(uint64_t offset, std::string what);

  const std::string path_;
  std::ifstream file_;
  uint64_t offset_ = 0;
  ArchivedLogHead head_;
  LogPosition position_ = 0;
  bool ended_ = false;
  std::optional<ArchiveDamage> damage_;
  std::vector<std::byte> body_;
};

}  // namespace ft::logchannel
