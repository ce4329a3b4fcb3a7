// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/archived_log.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "logchannel/engine_ring_for_test.h"

namespace ft::logchannel {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr LogPosition kFirst = 4711;

Bytes Entry(size_t payload_bytes) {
  Bytes bytes(kEntryHeaderBytes);
  EncodeEntryHeader({.payload_bytes = static_cast<uint32_t>(payload_bytes)},
                    std::span(bytes).first<kEntryHeaderBytes>());
  const Bytes payload = PayloadForTest(payload_bytes, payload_bytes);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

class ArchivedLogTest : public ::testing::Test {
 protected:
  // Entries of the given payloads, in a file; remembers them.
  void WriteLog(const std::vector<size_t>& payloads, bool finish = true) {
    ArchivedLogHead head;
    head.set_vm("vm1");
    head.set_epoch(7);
    head.set_first(kFirst);
    head.set_why("a test");
    auto writer = ArchivedLogWriter::Create(path_, head);
    ASSERT_TRUE(writer.ok()) << writer.status().ToString();
    int64_t time_us = 0;
    for (size_t payload : payloads) {
      const Bytes entry = Entry(payload);
      ASSERT_TRUE((*writer)->Append(entry, ++time_us).ok());
      written_.insert(written_.end(), entry.begin(), entry.end());
    }
    EXPECT_EQ((*writer)->end(), kFirst + written_.size());
    ASSERT_TRUE((finish ? (*writer)->Finish() : (*writer)->Flush()).ok());
  }

  std::string Contents() {
    std::stringstream text;
    text << std::ifstream(path_, std::ios::binary).rdbuf();
    return text.str();
  }
  void Replace(const std::string& contents) {
    std::ofstream(path_, std::ios::binary) << contents;
  }

  // Every entry that can be read; damage goes to damage_.
  Bytes ReadLog() {
    Bytes read;
    auto reader = ArchivedLogReader::Open(path_);
    if (!reader.ok()) {
      open_error_ = reader.status().ToString();
      return read;
    }
    chunks_ = 0;
    while (auto chunk = (*reader)->Next()) {
      EXPECT_EQ(chunk->first, kFirst + read.size());
      read.insert(read.end(), chunk->entries.begin(), chunk->entries.end());
      ++chunks_;
    }
    EXPECT_FALSE((*reader)->Next());
    EXPECT_EQ((*reader)->position(), kFirst + read.size());
    EXPECT_EQ((*reader)->status().ok(), !(*reader)->damage());
    damage_ = (*reader)->damage();
    error_ = (*reader)->status().ToString();
    return read;
  }

  RingDirectoryForTest directory_;
  const std::string path_ = directory_.ring_path("log") + ".ftlog";
  Bytes written_;
  int chunks_ = 0;
  std::optional<ArchiveDamage> damage_;
  std::string error_;
  std::string open_error_;
};

TEST_F(ArchivedLogTest, ReadsWhatWasWritten) {
  WriteLog({1, 0, 70'000, 5, kEntryPayloadBytesMax, 3});
  EXPECT_EQ(ReadLog(), written_);
  EXPECT_FALSE(damage_);
  EXPECT_EQ(chunks_, 3);
  auto reader = ArchivedLogReader::Open(path_);
  ASSERT_TRUE(reader.ok());
  const ArchivedLogHead& head = (*reader)->head();
  EXPECT_EQ(head.vm(), "vm1");
  EXPECT_EQ(head.epoch(), 7u);
  EXPECT_EQ(head.ring_version(), FT_RING_VERSION);
  EXPECT_GT(head.made_unix_ms(), 0);
  EXPECT_EQ((*reader)->Next()->time_us, 3);
}

TEST_F(ArchivedLogTest, AnEmptyLogIsWhole) {
  WriteLog({});
  EXPECT_TRUE(ReadLog().empty());
  EXPECT_FALSE(damage_);
}

// The largest chunk is one that was nearly full and got the largest entry.
TEST_F(ArchivedLogTest, ALargeEntryBehindAnAlmostFullChunkIsRead) {
  WriteLog(
      {kArchivedChunkBytes - kEntryHeaderBytes - 1, kEntryPayloadBytesMax});
  EXPECT_EQ(ReadLog(), written_);
  EXPECT_FALSE(damage_);
}

TEST_F(ArchivedLogTest, AFileWithoutItsEndSaysSoAndIsReadable) {
  WriteLog({10, 20}, false);
  EXPECT_EQ(ReadLog(), written_);
  ASSERT_TRUE(damage_);
  EXPECT_EQ(damage_->offset, Contents().size());
  EXPECT_THAT(damage_->what, HasSubstr("no end record"));
}

// Whatever length a file is cut to, what is whole is read, no more, and the
// damage is where the cut record began.
TEST_F(ArchivedLogTest, EveryTruncationIsFound) {
  WriteLog({10, kArchivedChunkBytes, 20, 30});
  const std::string whole = Contents();
  const size_t step = 11;
  for (size_t size = 12; size < whole.size(); size += step) {
    Replace(whole.substr(0, size));
    open_error_.clear();
    const Bytes read = ReadLog();
    if (!open_error_.empty()) {
      EXPECT_THAT(open_error_, HasSubstr("offset 0"));
      continue;
    }
    ASSERT_TRUE(damage_) << size;
    EXPECT_LE(damage_->offset, size);
    EXPECT_EQ(damage_->position, kFirst + read.size());
    EXPECT_TRUE(std::equal(read.begin(), read.end(), written_.begin()));
  }
}

TEST_F(ArchivedLogTest, EveryFlippedBitIsFound) {
  WriteLog({10, 20, 30});
  const std::string whole = Contents();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int bit : {0, 7}) {
      std::string spoilt = whole;
      spoilt[at] = static_cast<char>(spoilt[at] ^ (1 << bit));
      Replace(spoilt);
      damage_.reset();
      open_error_.clear();
      ReadLog();
      EXPECT_TRUE(damage_ || !open_error_.empty()) << "byte " << at;
    }
  }
}

TEST_F(ArchivedLogTest, DamageInTheSecondChunkLeavesTheFirst) {
  WriteLog({kArchivedChunkBytes, 100});
  std::string spoilt = Contents();
  // Into the last entry: behind it are its chunk's end and the end record.
  spoilt[spoilt.size() - 20 - 50] ^= 1;
  Replace(spoilt);
  EXPECT_EQ(ReadLog().size(), kArchivedChunkBytes + kEntryHeaderBytes);
  ASSERT_TRUE(damage_);
  EXPECT_THAT(damage_->what, HasSubstr("a chunk with checksum"));
  EXPECT_EQ(damage_->position, kFirst + kArchivedChunkBytes + 4);
  EXPECT_THAT(error_, HasSubstr("is damaged at offset " +
                                std::to_string(damage_->offset)));
  EXPECT_THAT(error_, HasSubstr("is readable"));
}

TEST_F(ArchivedLogTest, BytesBehindTheEndAreDamage) {
  WriteLog({10});
  const std::string whole = Contents();
  Replace(whole + "x");
  EXPECT_EQ(ReadLog(), written_);
  ASSERT_TRUE(damage_);
  EXPECT_EQ(damage_->offset, whole.size());
}

// What its entries mean is the engine's affair, and changes with the ring.
TEST_F(ArchivedLogTest, ALogOfAnotherRingVersionIsRefused) {
  ArchivedLogHead head;
  head.set_ring_version(FT_RING_VERSION - 1);
  auto writer = ArchivedLogWriter::Create(path_, head);
  ASSERT_TRUE(writer.ok() && (*writer)->Finish().ok());
  ReadLog();
  EXPECT_THAT(open_error_,
              HasSubstr("ring version " + std::to_string(FT_RING_VERSION - 1)));
  EXPECT_THAT(open_error_, HasSubstr("reads ring version " +
                                     std::to_string(FT_RING_VERSION)));
}

TEST_F(ArchivedLogTest, OtherFilesAreRefused) {
  Replace("FRNG and so on");
  ReadLog();
  EXPECT_THAT(open_error_, HasSubstr("is no archived log"));
  Replace("");
  ReadLog();
  EXPECT_THAT(open_error_, HasSubstr("is no archived log"));
  std::filesystem::remove(path_);
  ReadLog();
  EXPECT_THAT(open_error_, HasSubstr("No such file"));
}

}  // namespace
}  // namespace ft::logchannel
