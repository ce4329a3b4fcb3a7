// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/link_direction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

namespace ft::chaos {
namespace {

constexpr int64_t kMs = 1'000'000;

struct Arrival {
  int64_t at_ns;
  uint8_t what;
};

// Frames 0, 1, 2 ... of 125 bytes, one each `every_ns`; what comes out.
std::vector<Arrival> Through(const Impairment& impairment, int frames,
                             int64_t every_ns, uint64_t seed = 1,
                             LinkCounts* counts = nullptr) {
  LinkDirection direction(seed);
  direction.Set(impairment);
  std::vector<Arrival> out;
  const auto deliver = [&](int64_t until_ns) {
    while (direction.NextDue() && *direction.NextDue() <= until_ns) {
      const int64_t at_ns = *direction.NextDue();
      out.push_back({at_ns, direction.Take(at_ns)->front()});
    }
  };
  for (int i = 0; i < frames; ++i) {
    deliver(i * every_ns - 1);
    direction.Accept(i * every_ns, Frame(125, static_cast<uint8_t>(i)));
  }
  deliver(INT64_MAX);
  if (counts) *counts = direction.counts();
  return out;
}

TEST(LinkDirection, PerfectCable_PassesAtOnceAndInOrder) {
  const auto out = Through({}, 100, 1000);
  ASSERT_EQ(out.size(), 100u);
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i].what, i);
    EXPECT_EQ(out[i].at_ns, static_cast<int64_t>(i) * 1000);
  }
}

TEST(LinkDirection, Delay_IsExactAndKeepsNothingEarly) {
  const auto out = Through({.delay_ms = 20}, 3, 5 * kMs);
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].at_ns, 20 * kMs);
  EXPECT_EQ(out[1].at_ns, 25 * kMs);
  LinkDirection direction(1);
  direction.Set({.delay_ms = 20});
  direction.Accept(0, Frame(125));
  EXPECT_FALSE(direction.Take(20 * kMs - 1));
  EXPECT_TRUE(direction.Take(20 * kMs));
}

TEST(LinkDirection, Jitter_VariesAndKeepsTheOrder) {
  const auto out = Through({.delay_ms = 10, .jitter_ms = 10}, 200, kMs);
  ASSERT_EQ(out.size(), 200u);
  int64_t least = INT64_MAX, most = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    EXPECT_EQ(out[i].what, i);
    const int64_t delay = out[i].at_ns - static_cast<int64_t>(i) * kMs;
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  EXPECT_GE(least, 10 * kMs);
  EXPECT_LE(most, 20 * kMs);
  EXPECT_GT(most - least, 5 * kMs);
}

TEST(LinkDirection, Reorder_LetsSomeOvertake) {
  LinkCounts counts;
  const auto out =
      Through({.delay_ms = 10, .reorder = 0.2}, 200, kMs, 1, &counts);
  ASSERT_EQ(out.size(), 200u);
  EXPECT_NEAR(static_cast<double>(counts.reordered), 40, 20);
  EXPECT_FALSE(std::ranges::is_sorted(out, {}, &Arrival::what));
}

TEST(LinkDirection, LossAndDuplicates_AreCounted) {
  LinkCounts counts;
  const auto out =
      Through({.loss = 0.1, .duplicate = 0.05}, 10'000, 1000, 7, &counts);
  EXPECT_EQ(counts.received, 10'000u);
  EXPECT_NEAR(static_cast<double>(counts.lost), 1000, 100);
  EXPECT_NEAR(static_cast<double>(counts.duplicated), 450, 80);
  EXPECT_EQ(counts.forwarded,
            counts.received - counts.lost + counts.duplicated);
  EXPECT_EQ(out.size(), counts.forwarded);
}

TEST(LinkDirection, SameSeed_IsTheSameCable) {
  const auto numbers = [](uint64_t seed) {
    std::vector<int> out;
    for (const Arrival& arrival : Through({.loss = 0.5}, 200, 1000, seed)) {
      out.push_back(arrival.what);
    }
    return out;
  };
  EXPECT_EQ(numbers(3), numbers(3));
  EXPECT_NE(numbers(3), numbers(4));
}

TEST(LinkDirection, Cut_LetsNothingThrough) {
  LinkCounts counts;
  EXPECT_TRUE(Through({.cut = true}, 50, kMs, 1, &counts).empty());
  EXPECT_EQ(counts.cut, 50u);
}

// 125 bytes at 1 Mbit/s take a millisecond.
TEST(LinkDirection, Bandwidth_SpacesFramesAndDropsTheRest) {
  LinkCounts counts;
  const auto out =
      Through({.mbit_per_s = 1, .queue_ms = 10}, 100, kMs / 10, 1, &counts);
  for (size_t i = 1; i < out.size(); ++i) {
    EXPECT_GE(out[i].at_ns - out[i - 1].at_ns, kMs);
  }
  // 10 ms of arrivals, and what the queue holds.
  EXPECT_NEAR(static_cast<double>(out.size()), 20, 2);
  EXPECT_EQ(counts.overflowed + counts.forwarded, 100u);
}

TEST(LinkDirection, Change_KeepsTheOrderOfWhatWaits) {
  LinkDirection direction(1);
  direction.Set({.delay_ms = 100});
  direction.Accept(0, Frame(125, 0));
  direction.Set({});
  direction.Accept(kMs, Frame(125, 1));
  EXPECT_FALSE(direction.Take(99 * kMs));
  EXPECT_EQ(direction.Take(100 * kMs)->front(), 0);
  EXPECT_EQ(direction.Take(100 * kMs)->front(), 1);
}

TEST(Impairment, Json_IsReadAsWrittenAndRefusedIfOdd) {
  const Impairment impairment = {.delay_ms = 1.5, .loss = 0.25, .cut = true};
  EXPECT_EQ(ImpairmentFromJson(ToJson(impairment)), impairment);
  EXPECT_THROW(ImpairmentFromJson("{}"), std::runtime_error);
  EXPECT_THROW(ImpairmentFromJson(ToJson(Impairment{.loss = 1.5})),
               std::runtime_error);
  EXPECT_THROW(ImpairmentFromJson(ToJson(Impairment{.delay_ms = -1})),
               std::runtime_error);
}

}  // namespace
}  // namespace ft::chaos
