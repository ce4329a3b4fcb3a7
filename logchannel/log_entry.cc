// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/log_entry.h"

#include <string>

#include "logchannel/check.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

bool KnownKind(uint32_t kind) { return kind == FT_ENTRY_EVENTS; }

}  // namespace

void EncodeEntryHeader(EntryHeader header,
                       std::span<std::byte, kEntryHeaderBytes> out) {
  FT_CHECK(KnownKind(header.kind)) << "entry kind " << header.kind;
  FT_CHECK(header.payload_bytes <= kEntryPayloadBytesMax)
      << "entry of " << header.payload_bytes << " bytes";
  StoreU32(header.kind | header.payload_bytes << 8, out);
}

Result<EntryHeader> DecodeEntryHeader(
    std::span<const std::byte, kEntryHeaderBytes> word) {
  const uint32_t value = LoadU32(word);
  const uint32_t kind = value & 0xff;
  const uint32_t payload_bytes = value >> 8;
  if (!KnownKind(kind)) {
    return Status::Invalid("log entry of unknown kind " + std::to_string(kind) +
                           " (length " + std::to_string(payload_bytes) + ")");
  }
  if (payload_bytes > kEntryPayloadBytesMax) {
    return Status::Invalid("log entry of " + std::to_string(payload_bytes) +
                           " bytes, limit " +
                           std::to_string(kEntryPayloadBytesMax));
  }
  return EntryHeader{.kind = static_cast<ft_entry_kind>(kind),
                     .payload_bytes = payload_bytes};
}

std::optional<LogEntry> EntryWalker::Next() {
  if (rest_.empty() || !status_.ok()) return std::nullopt;
  const std::string where = " at position " + std::to_string(position_);
  if (rest_.size() < kEntryHeaderBytes) {
    status_ = Status::Invalid("log entry header cut short" + where);
    return std::nullopt;
  }
  auto header = DecodeEntryHeader(rest_.first<kEntryHeaderBytes>());
  if (!header.ok()) {
    status_ = Status::Invalid(header.status().message() + where);
    return std::nullopt;
  }
  if (rest_.size() < header->entry_bytes()) {
    status_ = Status::Invalid("log entry of " +
                              std::to_string(header->payload_bytes) +
                              " bytes cut short" + where);
    return std::nullopt;
  }
  if (position_ > UINT64_MAX - header->entry_bytes()) {
    status_ = Status::Invalid("log entry of " +
                              std::to_string(header->payload_bytes) +
                              " bytes reaches past the last position" + where);
    return std::nullopt;
  }
  LogEntry entry{
      .position = position_,
      .kind = header->kind,
      .payload = rest_.subspan(kEntryHeaderBytes, header->payload_bytes)};
  rest_ = rest_.subspan(header->entry_bytes());
  position_ += header->entry_bytes();
  return entry;
}

Status ValidateEntries(std::span<const std::byte> bytes, LogPosition first) {
  EntryWalker walker(bytes, first);
  while (walker.Next()) {
  }
  return walker.status();
}

}  // namespace ft::logchannel
