// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/archived_log.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

// Four letters, as they lie in the file.
constexpr uint32_t Kind(std::string_view letters) {
  return static_cast<uint32_t>(letters[0] | letters[1] << 8 | letters[2] << 16 |
                               letters[3] << 24);
}
constexpr uint32_t kHead = Kind("FLOG");
constexpr uint32_t kChunk = Kind("FCHK");
constexpr uint32_t kEnd = Kind("FEND");

constexpr size_t kRecordHeaderBytes = 12;
constexpr size_t kChunkWordsBytes = 16;
constexpr size_t kEndBytes = 8;
constexpr size_t kHeadBytesMax = 64u << 10;

uint64_t LoadU64(std::span<const std::byte> bytes) {
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

void StoreU64(uint64_t value, std::span<std::byte> out) {
  std::memcpy(out.data(), &value, sizeof value);
}

// The longest body of a record of this kind; 0 if there is no such kind.
size_t BodyMax(uint32_t kind) {
  switch (kind) {
    case kHead:
      return kHeadBytesMax;
    case kChunk:
      return kChunkWordsBytes + kArchivedChunkBytesMax;
    case kEnd:
      return kEndBytes;
    default:
      return 0;
  }
}

std::string NameOf(uint32_t kind) {
  switch (kind) {
    case kHead:
      return "the head";
    case kChunk:
      return "a chunk";
    default:
      return "the end";
  }
}

std::string Hex(uint32_t value) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "0x%08x", value);
  return text.data();
}

int64_t UnixMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// --- Writer

ArchivedLogWriter::ArchivedLogWriter(const std::string& path, LogPosition first)
    : path_(path),
      file_(path, std::ios::binary | std::ios::trunc),
      end_(first),
      chunk_(kChunkWordsBytes),
      chunk_first_(first) {}

Result<std::unique_ptr<ArchivedLogWriter>> ArchivedLogWriter::Create(
    const std::string& path, ArchivedLogHead head) {
  head.set_version(kArchivedLogVersion);
  if (head.ring_version() == 0) head.set_ring_version(FT_RING_VERSION);
  if (head.made_unix_ms() == 0) head.set_made_unix_ms(UnixMs());
  std::unique_ptr<ArchivedLogWriter> writer(
      new ArchivedLogWriter(path, head.first()));
  if (!writer->file_.is_open()) {
    return Status::Unavailable("cannot write " + path + ": " +
                               std::strerror(errno));
  }
  const std::string body = head.SerializeAsString();
  if (body.size() > kHeadBytesMax) {
    return Status::Invalid("the head of " + path + " is too long");
  }
  Status written = writer->Write(kHead, std::as_bytes(std::span(body)));
  if (!written.ok()) return written;
  return writer;
}

Status ArchivedLogWriter::Append(std::span<const std::byte> entries,
                                 int64_t time_us) {
  EntryWalker walker(entries, end_);
  std::span<const std::byte> rest = entries;
  while (walker.Next()) {
    const size_t size = walker.position() - end_;
    chunk_.insert(chunk_.end(), rest.begin(),
                  rest.begin() + static_cast<std::ptrdiff_t>(size));
    chunk_time_us_ = time_us;
    rest = rest.subspan(size);
    end_ = walker.position();
    if (chunk_.size() < kChunkWordsBytes + kArchivedChunkBytes) continue;
    if (auto status = Flush(); !status.ok()) return status;
  }
  FT_CHECK(walker.status().ok()) << path_ << ": " << walker.status().message();
  return Status::Ok();
}

Status ArchivedLogWriter::Flush() {
  if (chunk_.size() > kChunkWordsBytes) {
    StoreU64(chunk_first_, std::span(chunk_).first(8));
    StoreU64(static_cast<uint64_t>(chunk_time_us_),
             std::span(chunk_).subspan(8, 8));
    Status written = Write(kChunk, chunk_);
    chunk_.resize(kChunkWordsBytes);
    chunk_first_ = end_;
    if (!written.ok()) return written;
  }
  if (file_.flush()) return Status::Ok();
  return Status::Unavailable("cannot write " + path_ + ": " +
                             std::strerror(errno));
}

Status ArchivedLogWriter::Finish() {
  if (auto status = Flush(); !status.ok()) return status;
  std::array<std::byte, kEndBytes> body;
  StoreU64(end_, body);
  if (auto status = Write(kEnd, body); !status.ok()) return status;
  file_.close();
  if (file_) return Status::Ok();
  return Status::Unavailable("cannot write " + path_ + ": " +
                             std::strerror(errno));
}

Status ArchivedLogWriter::Write(uint32_t kind,
                                std::span<const std::byte> body) {
  std::array<std::byte, kRecordHeaderBytes> header;
  const std::span<std::byte, kRecordHeaderBytes> words(header);
  StoreU32(kind, words.subspan<0, 4>());
  StoreU32(static_cast<uint32_t>(body.size()), words.subspan<4, 4>());
  StoreU32(Crc32cExtend(Crc32c(words.first<8>()), body), words.subspan<8, 4>());
  file_.write(reinterpret_cast<const char*>(header.data()), header.size());
  file_.write(reinterpret_cast<const char*>(body.data()),
              static_cast<std::streamsize>(body.size()));
  if (file_) return Status::Ok();
  return Status::Unavailable("cannot write " + path_ + ": " +
                             std::strerror(errno));
}

// --- Reader

ArchivedLogReader::ArchivedLogReader(const std::string& path,
                                     std::ifstream file)
    : path_(path), file_(std::move(file)) {}

Result<std::unique_ptr<ArchivedLogReader>> ArchivedLogReader::Open(
    const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    return Status::Unavailable("cannot read " + path + ": " +
                               std::strerror(errno));
  }
  std::unique_ptr<ArchivedLogReader> reader(
      new ArchivedLogReader(path, std::move(file)));
  if (auto status = reader->ReadHead(); !status.ok()) return status;
  return reader;
}

Status ArchivedLogReader::ReadHead() {
  std::array<std::byte, 4> magic;
  if (ReadBytes(magic) < magic.size() || LoadU32(magic) != kHead) {
    return Status::Invalid(path_ + " is no archived log",
                           "name a file that ends in .ftlog");
  }
  file_.seekg(0);
  offset_ = 0;
  const auto record = ReadRecord();
  if (!record) return status();
  if (!head_.ParseFromArray(record->body.data(),
                            static_cast<int>(record->body.size()))) {
    Damaged(0, "the head is not what an ArchivedLogHead looks like");
    return status();
  }
  if (head_.version() != kArchivedLogVersion) {
    return Status::Invalid(path_ + " has format " +
                               std::to_string(head_.version()) +
                               ", this program reads format " +
                               std::to_string(kArchivedLogVersion),
                           "read it with the release that wrote it");
  }
  if (head_.ring_version() != FT_RING_VERSION) {
    return Status::Invalid(path_ +
                               " is the log of an engine with ring version " +
                               std::to_string(head_.ring_version()) +
                               ", this program reads ring version " +
                               std::to_string(FT_RING_VERSION),
                           "read it with the release that wrote it");
  }
  position_ = head_.first();
  return Status::Ok();
}

std::optional<ArchivedChunk> ArchivedLogReader::Next() {
  if (ended_ || damage_) return std::nullopt;
  const auto record = ReadRecord();
  if (!record) return std::nullopt;
  switch (record->kind) {
    case kChunk:
      return CheckChunk(*record);
    case kEnd:
      CheckEnd(*record);
      return std::nullopt;
    default:
      Damaged(record->offset, "a second head");
      return std::nullopt;
  }
}

std::optional<ArchivedLogReader::Record> ArchivedLogReader::ReadRecord() {
  const uint64_t offset = offset_;
  std::array<std::byte, kRecordHeaderBytes> header;
  const size_t got = ReadBytes(header);
  if (got == 0) {
    Damaged(offset, "the file has no end record: it was cut, or is not done");
    return std::nullopt;
  }
  if (got < header.size()) {
    Damaged(offset, "the file ends inside a record's header");
    return std::nullopt;
  }
  const std::span<const std::byte, kRecordHeaderBytes> words(header);
  const uint32_t kind = LoadU32(words.subspan<0, 4>());
  const uint32_t length = LoadU32(words.subspan<4, 4>());
  const uint32_t crc = LoadU32(words.subspan<8, 4>());
  const size_t most = BodyMax(kind);
  if (most == 0) {
    Damaged(offset, "no record has the kind " + Hex(kind));
    return std::nullopt;
  }
  if (length > most) {
    Damaged(offset, NameOf(kind) + " of " + std::to_string(length) +
                        " bytes, more than " + std::to_string(most));
    return std::nullopt;
  }
  body_.resize(length);
  if (ReadBytes(body_) < length) {
    Damaged(offset, "the file ends inside " + NameOf(kind));
    return std::nullopt;
  }
  const uint32_t computed = Crc32cExtend(Crc32c(words.first<8>()), body_);
  if (computed != crc) {
    Damaged(offset, NameOf(kind) + " with checksum " + Hex(crc) +
                        " has the checksum " + Hex(computed));
    return std::nullopt;
  }
  return Record{.offset = offset, .kind = kind, .body = body_};
}

std::optional<ArchivedChunk> ArchivedLogReader::CheckChunk(
    const Record& record) {
  if (record.body.size() < kChunkWordsBytes) {
    Damaged(record.offset, "a chunk without its position");
    return std::nullopt;
  }
  ArchivedChunk chunk = {
      .offset = record.offset,
      .first = LoadU64(record.body.first(8)),
      .time_us = static_cast<int64_t>(LoadU64(record.body.subspan(8, 8))),
      .entries = record.body.subspan(kChunkWordsBytes)};
  if (chunk.first != position_) {
    Damaged(record.offset,
            "a chunk at position " + std::to_string(chunk.first) +
                " where position " + std::to_string(position_) + " is due");
    return std::nullopt;
  }
  const Status valid = ValidateEntries(chunk.entries, chunk.first);
  if (!valid.ok()) {
    Damaged(record.offset, valid.message());
    return std::nullopt;
  }
  position_ += chunk.entries.size();
  return chunk;
}

void ArchivedLogReader::CheckEnd(const Record& record) {
  ended_ = true;
  if (record.body.size() != kEndBytes || LoadU64(record.body) != position_) {
    Damaged(record.offset,
            "an end that is not at position " + std::to_string(position_));
    return;
  }
  const uint64_t end = offset_;
  std::array<std::byte, 1> more;
  if (ReadBytes(more) != 0) Damaged(end, "bytes behind the end");
}

size_t ArchivedLogReader::ReadBytes(std::span<std::byte> out) {
  file_.read(reinterpret_cast<char*>(out.data()),
             static_cast<std::streamsize>(out.size()));
  const auto got = static_cast<size_t>(file_.gcount());
  file_.clear();
  offset_ += got;
  return got;
}

void ArchivedLogReader::Damaged(uint64_t offset, std::string what) {
  damage_ = {.offset = offset, .what = std::move(what), .position = position_};
}

Status ArchivedLogReader::status() const {
  if (!damage_) return Status::Ok();
  return Status::Invalid(
      path_ + " is damaged at offset " + std::to_string(damage_->offset) +
          ": " + damage_->what,
      "what is before position " + std::to_string(damage_->position) +
          " is readable");
}

}  // namespace ft::logchannel
