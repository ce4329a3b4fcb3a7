// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/log_entry.h"

#include <gmock/gmock.h>

#include <vector>

#include "logchannel/engine_ring_for_test.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> Word(uint32_t value) {
  std::vector<std::byte> bytes(4);
  StoreU32(value, std::span(bytes).first<4>());
  return bytes;
}

void AppendEntry(std::vector<std::byte>& bytes, size_t payload_bytes) {
  std::array<std::byte, 4> word;
  EncodeEntryHeader({.payload_bytes = static_cast<uint32_t>(payload_bytes)},
                    word);
  bytes.insert(bytes.end(), word.begin(), word.end());
  const auto payload = PayloadForTest(payload_bytes, payload_bytes);
  bytes.insert(bytes.end(), payload.begin(), payload.end());
}

TEST(EntryHeader, LiesInMemoryAsTheLayoutDrawsIt) {
  std::array<std::byte, 4> word;
  EncodeEntryHeader({.kind = FT_ENTRY_EVENTS, .payload_bytes = 0x030201}, word);
  EXPECT_EQ(word, (std::array{std::byte{FT_ENTRY_EVENTS}, std::byte{1},
                              std::byte{2}, std::byte{3}}));
}

TEST(EntryHeader, DecodesWhatWasEncodedUpToTheBound) {
  for (uint32_t bytes : {0u, 1u, 255u, 256u, 65536u, 4u << 20}) {
    std::array<std::byte, 4> word;
    EncodeEntryHeader({.payload_bytes = bytes}, word);
    const auto header = DecodeEntryHeader(word);
    ASSERT_TRUE(header.ok());
    EXPECT_EQ(header->kind, FT_ENTRY_EVENTS);
    EXPECT_EQ(header->payload_bytes, bytes);
  }
}

TEST(EntryHeader, UnknownKindIsRefusedByNumber) {
  for (uint32_t kind : {0u, 2u, 255u}) {
    const auto word = Word(kind | 77 << 8);
    const auto header = DecodeEntryHeader(std::span(word).first<4>());
    ASSERT_FALSE(header.ok());
    EXPECT_THAT(header.status().message(),
                HasSubstr("unknown kind " + std::to_string(kind)));
  }
}

TEST(EntryHeader, LengthOverTheBoundIsRefused) {
  const auto word = Word(FT_ENTRY_EVENTS | ((4u << 20) + 1) << 8);
  const auto header = DecodeEntryHeader(std::span(word).first<4>());
  ASSERT_FALSE(header.ok());
  EXPECT_THAT(header.status().message(), HasSubstr("limit 4194304"));
}

TEST(EntryHeaderDeathTest, WriterDoesNotEncodeWhatReadersRefuse) {
  std::array<std::byte, 4> word;
  EXPECT_DEATH(EncodeEntryHeader({.payload_bytes = (4u << 20) + 1}, word),
               "entry of 4194305 bytes");
}

TEST(EntryWalker, YieldsEveryEntryAndItsPosition) {
  std::vector<std::byte> bytes;
  for (size_t size : {5, 0, 300}) AppendEntry(bytes, size);
  EntryWalker walker(bytes, 1000);
  std::vector<std::pair<LogPosition, size_t>> seen;
  while (auto entry = walker.Next()) {
    EXPECT_EQ(std::vector(entry->payload.begin(), entry->payload.end()),
              PayloadForTest(entry->payload.size(), entry->payload.size()));
    seen.emplace_back(entry->position, entry->payload.size());
  }
  EXPECT_TRUE(walker.status().ok());
  EXPECT_EQ(seen, (std::vector<std::pair<LogPosition, size_t>>{
                      {1000, 5}, {1009, 0}, {1013, 300}}));
  EXPECT_EQ(walker.position(), 1000 + bytes.size());
}

TEST(ValidateEntries, NothingIsFine) {
  EXPECT_TRUE(ValidateEntries({}, 7).ok());
}

TEST(ValidateEntries, EveryCutOfAnEntryIsRefused) {
  std::vector<std::byte> bytes;
  AppendEntry(bytes, 3);
  AppendEntry(bytes, 3);
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    const bool between_entries = cut == 7;
    EXPECT_EQ(ValidateEntries(std::span(bytes).first(cut), 0).ok(),
              between_entries)
        << cut;
  }
}

TEST(ValidateEntries, GarbageBehindAGoodEntryIsRefusedWithItsPosition) {
  std::vector<std::byte> bytes;
  AppendEntry(bytes, 3);
  bytes.insert(bytes.end(), 8, std::byte{0xaa});
  const Status status = ValidateEntries(bytes, 100);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(),
            "log entry of unknown kind 170 (length 11184810) at position 107");
}

// Positions grow; none comes after 2^64 - 1.
TEST(ValidateEntries, EntryPastTheLastPositionIsRefused) {
  std::vector<std::byte> bytes;
  AppendEntry(bytes, 3);
  EXPECT_TRUE(ValidateEntries(bytes, UINT64_MAX - 7).ok());
  const Status status = ValidateEntries(bytes, UINT64_MAX - 6);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("past the last position"));
}

TEST(EntryWalker, StaysAtTheFirstBadEntry) {
  const auto bytes = Word(0);
  EntryWalker walker(bytes, 4);
  EXPECT_FALSE(walker.Next());
  EXPECT_FALSE(walker.Next());
  EXPECT_FALSE(walker.status().ok());
  EXPECT_EQ(walker.position(), 4u);
}

}  // namespace
}  // namespace ft::logchannel
