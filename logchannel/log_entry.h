// SPDX-License-Identifier: GPL-2.0-or-later
//
// Log entries: the unit of the log. ring_layout.h draws one and holds the
// constants; here are the functions that write and read its header word.
//
// ftd never looks into a payload. It looks at every header, twice: the
// primary before it sends an entry, the backup before it hands one to its
// engine. Pure functions and values; thread-safe as values are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "logchannel/ring_layout.h"
#include "logchannel/status.h"

namespace ft::logchannel {

// Offset in bytes since the birth of the log; lies between two entries.
// (The epoch that completes a log position travels in FrameHeader.)
using LogPosition = uint64_t;

inline constexpr size_t kEntryHeaderBytes = FT_ENTRY_HEADER_BYTES;
inline constexpr size_t kEntryPayloadBytesMax = FT_ENTRY_PAYLOAD_BYTES_MAX;
inline constexpr size_t kEntryBytesMax =
    kEntryHeaderBytes + kEntryPayloadBytesMax;

struct EntryHeader {
  ft_entry_kind kind = FT_ENTRY_EVENTS;
  uint32_t payload_bytes = 0;

  // Header and payload.
  size_t entry_bytes() const { return kEntryHeaderBytes + payload_bytes; }
};

// The header word in memory order (little endian). FT_CHECKs the bound.
void EncodeEntryHeader(EntryHeader header,
                       std::span<std::byte, kEntryHeaderBytes> out);

// Invalid if the kind is unknown or the payload over the bound; the message
// holds both numbers.
Result<EntryHeader> DecodeEntryHeader(
    std::span<const std::byte, kEntryHeaderBytes> word);

// One entry inside somebody else's bytes; valid as long as those are.
struct LogEntry {
  LogPosition position = 0;  // of its header word
  ft_entry_kind kind = FT_ENTRY_EVENTS;
  std::span<const std::byte> payload;
};

// Walks over bytes that should be whole log entries.
//
//     EntryWalker walker(bytes, first);
//     while (auto entry = walker.Next()) { ... }
//     if (!walker.status().ok()) { ... refuse all of it ... }
class EntryWalker {
 public:
  // The first entry of `bytes` is at log offset `first`. The bytes must
  // outlive the walker.
  EntryWalker(std::span<const std::byte> bytes, LogPosition first)
      : rest_(bytes), position_(first) {}

  // The next entry; nothing at the end, or at the first entry that is not
  // whole and valid, and for ever after.
  std::optional<LogEntry> Next();

  // Not ok once Next() met a bad header, a cut entry, or one whose end is no
  // position any more (they only grow); names the position.
  const Status& status() const { return status_; }
  // Behind the last entry that Next() returned.
  LogPosition position() const { return position_; }

 private:
  std::span<const std::byte> rest_;
  LogPosition position_;
  Status status_;
};

// Ok if `bytes` is a sequence of whole, valid entries (none is fine). What a
// backup asks before it applies anything of an Entries message.
Status ValidateEntries(std::span<const std::byte> bytes, LogPosition first);

}  // namespace ft::logchannel
