// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/whole_number.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace ft::replay {
namespace {

template <typename T>
std::optional<T> Read(const char* text) {
  return WholeNumber<T>(boost::json::parse(text));
}

TEST(WholeNumber, IsWhatTheTypeCanHold) {
  EXPECT_EQ(Read<uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(Read<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(Read<uint32_t>("4294967295"), UINT32_MAX);
  EXPECT_EQ(Read<uint64_t>("0"), 0u);
}

TEST(WholeNumber, IsNothingElse) {
  for (const char* text :
       {"18446744073709551616", "-1", "1e300", "-1e300", "7.0", "0.5",
        "9223372036854775808.0", "\"7\"", "null", "true", "[7]"}) {
    EXPECT_EQ(Read<uint64_t>(text), std::nullopt) << text;
  }
  EXPECT_EQ(Read<int64_t>("9223372036854775808"), std::nullopt);
  EXPECT_EQ(Read<uint32_t>("4294967296"), std::nullopt);
}

}  // namespace
}  // namespace ft::replay
