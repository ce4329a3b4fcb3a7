// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/entry_boundaries.h"

#include <gtest/gtest.h>

namespace ft::backup {
namespace {

constexpr uint64_t kSpacing = EntryBoundaries::kSpacing;

TEST(EntryBoundaries, RemembersTheCloneAndThenOneInAWhile) {
  EntryBoundaries boundaries;
  EXPECT_FALSE(boundaries.First(0));
  boundaries.Add(5);
  boundaries.Add(6);
  boundaries.Add(5 + kSpacing);
  boundaries.Add(6 + kSpacing);
  EXPECT_EQ(boundaries.First(0), 5u);
  EXPECT_EQ(boundaries.First(5), 5u);
  EXPECT_EQ(boundaries.First(6), 5 + kSpacing);
  EXPECT_FALSE(boundaries.First(6 + kSpacing));
}

TEST(EntryBoundaries, CoversARingWhateverWentThroughIt) {
  EntryBoundaries boundaries;
  constexpr uint64_t kEnd = 10ull * FT_RING_DATA_BYTES_DEFAULT;
  for (uint64_t at = 0; at <= kEnd; at += 1000) boundaries.Add(at);
  const uint64_t oldest = kEnd - FT_RING_DATA_BYTES_DEFAULT;
  ASSERT_TRUE(boundaries.First(oldest));
  EXPECT_LE(*boundaries.First(oldest), oldest + kSpacing + 1000);
}

}  // namespace
}  // namespace ft::backup
