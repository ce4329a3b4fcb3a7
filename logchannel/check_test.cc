// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/check.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "logchannel/scoped_fd.h"

namespace ft {
namespace {

TEST(CheckDeathTest, FailureStopsTheProcessAndSaysWhat) {
  EXPECT_DEATH(FT_CHECK(1 + 1 == 3) << "expected " << 3,
               "check_test.cc:.*FT_CHECK.1 . 1 == 3. failed: expected 3");
}

TEST(Check, TruthCostsNothingAndStreamsNothing) {
  bool streamed = false;
  auto words = [&] {
    streamed = true;
    return "";
  };
  FT_CHECK(true) << words();
  EXPECT_FALSE(streamed);
}

TEST(Check, BindsLikeOneStatement) {
  if (true)
    FT_CHECK(true);
  else
    FAIL() << "the else belongs to the if";
}

TEST(ScopedFd, ClosesOnceAndOnlyWhatItOwns) {
  int raw;
  {
    ScopedFd first(open("/dev/null", O_RDONLY), "/dev/null");
    raw = first.get();
    ScopedFd second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), raw);
    EXPECT_EQ(second.path(), "/dev/null");
    EXPECT_NE(fcntl(raw, F_GETFD), -1);
  }
  EXPECT_EQ(fcntl(raw, F_GETFD), -1);
}

TEST(ScopedFd, ReleasedDescriptorStaysOpen) {
  int raw;
  {
    ScopedFd fd(open("/dev/null", O_RDONLY));
    raw = fd.Release();
  }
  EXPECT_EQ(close(raw), 0);
}

}  // namespace
}  // namespace ft
