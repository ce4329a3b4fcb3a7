// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_statistics.h"

#include <gtest/gtest.h>

namespace ft::replay {
namespace {

LogEvent VirtualClock(int64_t ns) {
  return {.kind = EventKind::kClock, .id = 1, .value = ns};
}

TEST(LogStatistics, TimeIsThatOfTheVirtualClock) {
  LogStatistics statistics;
  EXPECT_EQ(statistics.seconds(), std::nullopt);
  statistics.Add(VirtualClock(500'000'000));
  EXPECT_EQ(statistics.seconds(), std::nullopt);
  statistics.Add(VirtualClock(2'000'000'000));
  EXPECT_DOUBLE_EQ(*statistics.seconds(), 1.5);
}

// A damaged log may have any two times; their difference fits no int64_t.
TEST(LogStatistics, TimesOfADamagedLogMayBeFarApart) {
  LogStatistics statistics;
  statistics.Add(VirtualClock(INT64_MIN));
  statistics.Add(VirtualClock(INT64_MAX));
  EXPECT_NEAR(*statistics.seconds(), 1.8446744e10, 1e4);
}

}  // namespace
}  // namespace ft::replay
