// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/iscsi_layout.h"

#include <gtest/gtest.h>

namespace ft::fencing::iscsi {
namespace {

const VmRecord kRecord{"vm1", 8, "hostB"};

TEST(IscsiLayout, RecordIsReadBackAsItWasWritten) {
  for (uint32_t size : {512u, 4096u}) {
    for (const VmRecord& record :
         {kRecord, VmRecord{"vm1", 1, ""},
          VmRecord{std::string(63, 'v'), ~uint64_t{0} - 1,
                   std::string(63, 'h')}}) {
      const std::string block = EncodeRecordBlock(record, size);
      EXPECT_EQ(block.size(), size);
      EXPECT_EQ(DecodeRecordBlock(block), record);
    }
  }
}

// The bytes that another release, or another program, has to read.
TEST(IscsiLayout, RecordHasItsFieldsInTheirPlaces) {
  const std::string block = EncodeRecordBlock(kRecord, 512);
  EXPECT_EQ(block.substr(0, 8), "FTRECORD");
  EXPECT_EQ(block.substr(8, 8), std::string("\1\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(block.substr(16, 8), std::string("\10\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(block.substr(24, 4), std::string("vm1\0", 4));
  EXPECT_EQ(block.substr(88, 6), std::string("hostB\0", 6));
}

TEST(IscsiLayout, NoByteMayBeAnother) {
  const std::string block = EncodeRecordBlock(kRecord, 512);
  for (size_t i = 0; i < block.size(); ++i) {
    for (int bit : {0, 7}) {
      std::string damaged = block;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_EQ(DecodeRecordBlock(damaged), std::nullopt) << i;
    }
  }
}

TEST(IscsiLayout, WhatCannotBeARecordIsNone) {
  EXPECT_EQ(DecodeRecordBlock(std::string(512, '\0')), std::nullopt);
  EXPECT_EQ(DecodeRecordBlock(std::string(512, '\xff')), std::nullopt);
  EXPECT_EQ(DecodeRecordBlock("short"), std::nullopt);
  EXPECT_EQ(DecodeRecordBlock(EncodeRecordBlock({"vm1", 0, "hostA"}, 512)),
            std::nullopt);
  EXPECT_EQ(DecodeRecordBlock(EncodeRecordBlock({"../vm", 1, "hostA"}, 512)),
            std::nullopt);
}

TEST(IscsiLayout, HeaderSaysWhoseTheLunIs) {
  std::string header = EncodeHeader(512);
  EXPECT_EQ(LookAtHeader(header), HeaderIs::kOurs);
  EXPECT_EQ(LookAtHeader(std::string(512, '\0')), HeaderIs::kBlank);
  EXPECT_EQ(LookAtHeader(std::string(512, 'x')), HeaderIs::kForeign);
  EXPECT_EQ(LookAtHeader(EncodeHeader(4096).substr(0, 512)), HeaderIs::kOther);
  header[8] = 2;
  EXPECT_EQ(LookAtHeader(header), HeaderIs::kOther);
}

TEST(IscsiLayout, SearchBeginsWithinTheTable) {
  for (const char* vm : {"vm1", "vm2", "a", "zzzzzzzzzzzzzzz"}) {
    const uint32_t block = FirstBlock(kScratchTable, vm);
    EXPECT_GE(block, kScratchTable.first);
    EXPECT_LT(block, kScratchTable.first + kScratchTable.count);
  }
}

}  // namespace
}  // namespace ft::fencing::iscsi
