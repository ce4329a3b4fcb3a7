// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/file_record.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

const VmRecord kHeld{"vm1", 8, "hostB"};

TEST(FileRecord, TextIsTheDocumentedOne) {
  EXPECT_EQ(EncodeRecord(kHeld),
            "lockstep-record 1\nvm vm1\nepoch 8\nholder hostB\n"
            "crc32c 44989a55\n");
}

TEST(FileRecord, RoundTrip) {
  const VmRecord released{"a.b_c-9", 18446744073709551614u, ""};
  for (const VmRecord& record : {kHeld, released}) {
    auto decoded = DecodeRecord("path", EncodeRecord(record));
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, record);
  }
}

TEST(FileRecord, AnyChangedByteIsDamage) {
  const std::string good = EncodeRecord(kHeld);
  for (size_t i = 0; i < good.size(); ++i) {
    for (char c : {'\0', '\n', ' ', 'A', '1', '\xff'}) {
      std::string bad = good;
      bad[i] = c;
      ASSERT_EQ(DecodeRecord("path", bad).ok(), bad == good) << i;
    }
  }
}

TEST(FileRecord, AnyOtherLengthIsDamageAndNamesThePath) {
  const std::string good = EncodeRecord(kHeld);
  for (size_t i = 0; i < good.size(); ++i) {
    ASSERT_FALSE(DecodeRecord("path", good.substr(0, i)).ok()) << i;
  }
  for (const char* tail : {"\n", " ", "x", "crc32c 00000000\n"}) {
    auto decoded = DecodeRecord("/srv/vm1.8", good + tail);
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.status().code(), Code::kUnavailable);
    EXPECT_NE(decoded.status().message().find("/srv/vm1.8"), std::string::npos);
  }
}

// Well-formed text with a right checksum and senseless content.
TEST(FileRecord, SenselessContentIsDamage) {
  for (const VmRecord& record :
       {VmRecord{"vm1", 0, "hostB"}, VmRecord{"../vm1", 8, "hostB"},
        VmRecord{"", 8, "hostB"}, VmRecord{"vm1", 8, "host B"},
        VmRecord{"vm1", ~0ull, "hostB"}}) {
    EXPECT_FALSE(DecodeRecord("path", EncodeRecord(record)).ok());
  }
}

TEST(FileRecord, NamesSortByEpochAndComeBack) {
  EXPECT_EQ(RecordName("vm1", 8), "vm1.00000000000000000008");
  EXPECT_LT(RecordName("vm1", 9), RecordName("vm1", 10));
  EXPECT_EQ(EpochOfName("vm1", RecordName("vm1", 8)), 8u);
}

TEST(FileRecord, NamesOfOtherFilesAreNoRecords) {
  for (const char* name :
       {"vm1", "vm1.8", "vm1.0000000000000000000x", ".vm1.hostB.1.1.tmp",
        "vm10.00000000000000000008", "vm1-00000000000000000008",
        "vm1.00000000000000000003.00000000000000000008", ""}) {
    EXPECT_EQ(EpochOfName("vm1", name), std::nullopt) << name;
  }
  // A VM may be called like another's record; both keep their own files.
  EXPECT_EQ(EpochOfName("vm1.00000000000000000003",
                        "vm1.00000000000000000003.00000000000000000008"),
            8u);
}

TEST(FileRecord, NumberThatIsNoEpochIsSeen) {
  EXPECT_EQ(EpochOfName("vm1", "vm1.00000000000000000000"), 0u);
  EXPECT_EQ(EpochOfName("vm1", "vm1.18446744073709551615"), 0u);
  EXPECT_EQ(EpochOfName("vm1", "vm1.99999999999999999999"), 0u);
}

}  // namespace
}  // namespace ft::fencing
