// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

TEST(ValidateName, AcceptsHostAndVmNames) {
  for (const char* name : {"vm1", "A", "9", "db.example-1_x", "a..b"}) {
    EXPECT_TRUE(ValidateName("VM name", name).ok()) << name;
  }
  EXPECT_TRUE(ValidateName("VM name", std::string(63, 'x')).ok());
}

TEST(ValidateName, RefusesPathTricksAndControlCharacters) {
  using namespace std::string_view_literals;
  for (std::string_view name :
       {""sv, "."sv, ".."sv, "../vm1"sv, "/etc/passwd"sv, "a/b"sv, ".hidden"sv,
        "-rf"sv, "_x"sv, "a b"sv, "a\nb"sv, "a\0b"sv, "\xc3\xa4"sv, "a\\b"sv,
        "*"sv}) {
    const Status status = ValidateName("VM name", name);
    EXPECT_EQ(status.code(), Code::kInvalid) << name;
    EXPECT_EQ(status.ToString().find('\n'), std::string::npos);
  }
  EXPECT_FALSE(ValidateName("VM name", std::string(64, 'x')).ok());
}

TEST(ValidateName, MessageSaysWhatAndShowsTheName) {
  const Status status = ValidateName("host name", "a\nb");
  EXPECT_EQ(status.message(), "host name 'a?b' cannot be used");
  EXPECT_NE(status.remedy(), "");
}

TEST(TestAndSetAnswer, HeldByPeerSaysByWhom) {
  EXPECT_EQ(TestAndSetAnswer::HeldByPeer({"vm1", 2, "hostB"}).error.message(),
            "test-and-set for epoch 2 is held by hostB");
  EXPECT_EQ(TestAndSetAnswer::HeldByPeer({"vm1", 2, ""}).error.message(),
            "test-and-set for epoch 2 is released");
}

using Read = Result<std::optional<VmRecord>>;

TEST(VerifySameStore, OnlyThePrimarysVeryRecordWillDo) {
  const VmRecord record{"vm1", 3, "hostA"};
  EXPECT_TRUE(VerifySameStore(Read(record), "vm1", 3, "hostA").ok());
  EXPECT_FALSE(VerifySameStore(Read(record), "vm1", 4, "hostA").ok());
  EXPECT_FALSE(VerifySameStore(Read(record), "vm1", 3, "hostB").ok());
}

TEST(VerifySameStore, HostWithAnEmptyStoreOfItsOwnIsFound) {
  const Status status = VerifySameStore(Read(std::nullopt), "vm1", 3, "hostA");
  EXPECT_EQ(status.ToString(),
            "hostA runs vm1 in epoch 3, but here it has no record; "
            "make both hosts use the same test-and-set store");
}

TEST(VerifySameStore, UnreachableStoreProvesNothing) {
  const Status status =
      VerifySameStore(Read(Status::Unavailable("gone")), "vm1", 3, "hostA");
  EXPECT_EQ(status.code(), Code::kUnavailable);
}

}  // namespace
}  // namespace ft::fencing
