// SPDX-License-Identifier: GPL-2.0-or-later
//
// Archived logs: files that come from other hosts and other days, damaged or
// cut.
//
// Promised: reading ends, with one line if not at the file's end; what is
// before the damage is whole, and positions grow without a gap; the same
// entries in a new file are read back as the same; the scan by events sees the
// entries that the reader gives.
#include "logchannel/archived_log.h"

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"
#include "replay/log_scan.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/memory_file.h"

namespace ft::replay {
namespace {

using logchannel::ArchivedLogReader;
using logchannel::ArchivedLogWriter;
using logchannel::LoadU32;
using logchannel::StoreU32;

struct Log {
  std::vector<std::byte> entries;
  Status end;
};

Log Read(ArchivedLogReader& reader) {
  Log log;
  logchannel::LogPosition position = reader.head().first();
  while (const auto chunk = reader.Next()) {
    FT_CHECK(chunk->first == position) << chunk->first;
    FT_CHECK(logchannel::ValidateEntries(chunk->entries, chunk->first).ok());
    log.entries.insert(log.entries.end(), chunk->entries.begin(),
                       chunk->entries.end());
    FT_CHECK(reader.position() >= position) << reader.position();
    position = reader.position();
    FT_CHECK(position - reader.head().first() == log.entries.size());
  }
  FT_CHECK(!reader.Next()) << "a file that was at its end went on";
  log.end = reader.status();
  FT_CHECK(log.end.ok() == !reader.damage().has_value());
  if (!log.end.ok()) fuzz::ExpectRefusal(log.end);
  return log;
}

void CheckWrittenAgain(const logchannel::ArchivedLogHead& head,
                       const Log& log) {
  const fuzz::MemoryFile file;
  auto writer = ArchivedLogWriter::Create(file.path(), head);
  FT_CHECK(writer.ok()) << writer.status().message();
  FT_CHECK((*writer)->Append(log.entries).ok());
  FT_CHECK((*writer)->Finish().ok());
  auto reader = ArchivedLogReader::Open(file.path());
  FT_CHECK(reader.ok()) << reader.status().message();
  const Log again = Read(**reader);
  FT_CHECK(again.end.ok()) << again.end.message();
  FT_CHECK(again.entries == log.entries);
}

// Events that cannot be decoded end the scan earlier than the reader.
void CheckScan(const std::string& path, const Log& log) {
  auto scan = LogScan::Open(path);
  FT_CHECK(scan.ok()) << scan.status().message();
  size_t bytes = 0;
  while ((*scan)->NextEntry()) {
    bytes += (*scan)->entry().payload.size() + logchannel::kEntryHeaderBytes;
    while ((*scan)->NextEvent()) {
    }
  }
  FT_CHECK(bytes <= log.entries.size()) << bytes;
  const Status end = (*scan)->status();
  FT_CHECK(end.ok() == !(*scan)->damage().has_value());
  if (!end.ok()) return fuzz::ExpectRefusal(end);
  FT_CHECK(log.end.ok() && bytes == log.entries.size()) << bytes;
}

void Check(fuzz::Input bytes) {
  fuzz::MemoryFile file;
  file.Write(bytes);
  auto reader = ArchivedLogReader::Open(file.path());
  if (!reader.ok()) return fuzz::ExpectRefusal(reader.status());
  const Log log = Read(**reader);
  CheckWrittenAgain((*reader)->head(), log);
  CheckScan(file.path(), log);
}

constexpr size_t kRecordHeaderBytes = 12;

void AppendWord(std::vector<std::byte>& bytes, uint32_t word) {
  const auto* begin = reinterpret_cast<const std::byte*>(&word);
  bytes.insert(bytes.end(), begin, begin + sizeof word);
}

// A record with the checksum that it should have.
void AppendSealed(std::vector<std::byte>& bytes, uint32_t kind,
                  fuzz::Input body) {
  const size_t start = bytes.size();
  AppendWord(bytes, kind);
  AppendWord(bytes, static_cast<uint32_t>(body.size()));
  const uint32_t crc = logchannel::Crc32c(std::span(bytes).subspan(start, 8));
  AppendWord(bytes, logchannel::Crc32cExtend(crc, body));
  bytes.insert(bytes.end(), body.begin(), body.end());
}

// The same records, sealed, and a head of the versions of today.
std::vector<std::byte> Sealed(fuzz::Input rest) {
  std::vector<std::byte> sealed;
  while (rest.size() >= kRecordHeaderBytes) {
    const uint32_t kind = LoadU32(rest.first<4>());
    const uint32_t length = LoadU32(rest.subspan<4, 4>());
    if (length > rest.size() - kRecordHeaderBytes) break;
    const auto body = rest.subspan(kRecordHeaderBytes, length);
    rest = rest.subspan(kRecordHeaderBytes + length);
    logchannel::ArchivedLogHead head;
    if (sealed.empty() &&
        head.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
      head.set_version(logchannel::kArchivedLogVersion);
      head.set_ring_version(FT_RING_VERSION);
      const std::string renewed = head.SerializeAsString();
      AppendSealed(sealed, kind, fuzz::AsInput(renewed));
    } else {
      AppendSealed(sealed, kind, body);
    }
  }
  sealed.insert(sealed.end(), rest.begin(), rest.end());
  return sealed;
}

}  // namespace

FT_FUZZ_TARGET(archived_log, input) {
  Check(input);
  Check(Sealed(input));
}

}  // namespace ft::replay
