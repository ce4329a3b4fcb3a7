// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/record.h"

#include <gtest/gtest.h>

#include <cstring>

namespace ft::shared_disk {
namespace {

const Record kRecord = {.vm = "vm1", .epoch = 8, .holder = "hostB"};

TEST(Record, IsReadAsItWasWritten) {
  const std::string longest(63, 'x');
  for (const std::optional<Record>& record :
       {std::optional<Record>(), std::optional<Record>(kRecord),
        std::optional<Record>(Record{"vm1", 9, ""}),
        std::optional<Record>(Record{longest, uint64_t{1} << 63, longest})}) {
    const auto read = DecodeRecord(EncodeRecord(record));
    ASSERT_TRUE(read.ok()) << Describe(record);
    EXPECT_EQ(*read, record);
  }
}

// The example of docs/shared-disk.md.
TEST(Record, HasTheBytesOfTheDocument) {
  RecordBytes expected = {};
  std::memcpy(expected.data(),
              "FTRECORD\x01\0\0\0\0\0\0\0\x08\0\0\0\0\0\0\0vm1", 27);
  std::memcpy(expected.data() + 88, "hostB", 5);
  std::memcpy(expected.data() + 252, "\x75\xa2\xdc\x25", 4);
  const RecordBytes bytes = EncodeRecord(kRecord);
  for (size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_EQ(bytes[i], expected[i]) << "byte " << i;
  }
}

TEST(Record, AnyFlippedBitIsNoRecord) {
  const RecordBytes good = EncodeRecord(kRecord);
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    RecordBytes bad = good;
    bad[bit / 8] ^= std::byte(1u << (bit % 8));
    EXPECT_FALSE(DecodeRecord(bad).ok()) << "bit " << bit;
  }
}

TEST(Record, WhatNobodyMayWriteIsNoRecord) {
  for (const Record& bad :
       {Record{"", 1, "hostA"}, Record{"../x", 1, "hostA"},
        Record{"vm1", 0, "hostA"}, Record{"vm1", ~uint64_t{0}, "hostA"},
        Record{"vm1", 1, ".."}}) {
    EXPECT_FALSE(DecodeRecord(EncodeRecord(bad)).ok()) << Describe(bad);
  }
}

TEST(Record, SaysWhoHoldsIt) {
  EXPECT_EQ(Describe(kRecord), "epoch 8, held by hostB");
  EXPECT_EQ(Describe(Record{"vm1", 9, ""}), "epoch 9, released");
  EXPECT_EQ(Describe(std::optional<Record>()), "no record");
}

}  // namespace
}  // namespace ft::shared_disk
