// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/figures.h"

#include <gtest/gtest.h>

namespace ft::bench {
namespace {

TEST(Summary, MedianOfOddAndEvenCounts) {
  EXPECT_EQ(Summarize({3, 1, 2}).median, 2);
  // Of two in the middle the lower: a figure that was measured.
  EXPECT_EQ(Summarize({4, 1, 3, 2}).median, 2);
  EXPECT_EQ(Summarize({3, 1, 2}).min, 1);
  EXPECT_EQ(Summarize({3, 1, 2}).max, 3);
}

TEST(Figure, BarIsClearedByTheMedian) {
  Figure speed = {.better = Better::kHigher, .bar = 0.85};
  speed.samples = {0.5, 0.85, 0.9};
  EXPECT_TRUE(speed.Met());
  speed.samples = {0.5, 0.84, 0.9};
  EXPECT_FALSE(speed.Met());
  Figure log = {.better = Better::kLower, .bar = 1.5};
  log.samples = {1.5};
  EXPECT_TRUE(log.Met());
  log.samples = {1.6};
  EXPECT_FALSE(log.Met());
}

TEST(Figure, RowsHaveTheKeysThatMachinesReadAndNullWithoutABar) {
  const Figure measured = {.target = 1,
                           .metric = "cpu",
                           .unit = "ratio",
                           .better = Better::kHigher,
                           .bar = 0.85,
                           .goal = 0.97,
                           .samples = {0.5, 0.75}};
  const Figure other = {.metric = "memory", .samples = {1}};
  const boost::json::array rows = ToJson({measured, other});
  const boost::json::object& row = rows.at(0).as_object();
  EXPECT_EQ(row.at("target").as_int64(), 1);
  EXPECT_EQ(row.at("metric").as_string(), "cpu");
  EXPECT_EQ(row.at("median").as_double(), 0.5);
  EXPECT_EQ(row.at("min").as_double(), 0.5);
  EXPECT_EQ(row.at("max").as_double(), 0.75);
  EXPECT_EQ(row.at("unit").as_string(), "ratio");
  EXPECT_EQ(row.at("bar").as_double(), 0.85);
  EXPECT_EQ(row.at("goal").as_double(), 0.97);
  EXPECT_FALSE(row.at("met").as_bool());
  EXPECT_TRUE(rows.at(1).as_object().at("bar").is_null());
  EXPECT_TRUE(rows.at(1).as_object().at("met").is_null());
}

}  // namespace
}  // namespace ft::bench
