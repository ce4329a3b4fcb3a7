// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/time_slices.h"

#include <gtest/gtest.h>

namespace ft::bench {
namespace {

TimeSlices::Time At(int ms) {
  return TimeSlices::Time(std::chrono::milliseconds(ms));
}

// The first one from 0 to 200 and from 400 to 600; then both.
TimeSlices Turns() {
  TimeSlices slices;
  slices.Turn(0, At(0));
  slices.Turn(1, At(200));
  slices.Turn(0, At(400));
  slices.End(At(600));
  return slices;
}

TEST(TimeSlices, OnlyOnesOwnTurnsCount) {
  EXPECT_DOUBLE_EQ(Turns().Had(0, At(0), At(600)), 0.4);
  EXPECT_DOUBLE_EQ(Turns().Had(1, At(0), At(600)), 0.2);
  EXPECT_DOUBLE_EQ(Turns().Had(0, At(100), At(450)), 0.15);
  EXPECT_DOUBLE_EQ(Turns().Had(1, At(250), At(300)), 0.05);
}

TEST(TimeSlices, InTheEndBothRun) {
  EXPECT_DOUBLE_EQ(Turns().Had(0, At(500), At(1000)), 0.5);
  EXPECT_DOUBLE_EQ(Turns().Had(1, At(500), At(1000)), 0.4);
}

TEST(TimeSlices, NothingBeforeTheFirstTurn) {
  EXPECT_DOUBLE_EQ(Turns().Had(0, At(-100), At(0)), 0);
  EXPECT_DOUBLE_EQ(TimeSlices().Had(0, At(0), At(100)), 0);
}

}  // namespace
}  // namespace ft::bench
