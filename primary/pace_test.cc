// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/pace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "logchannel/ring_layout.h"

namespace ft::primary {
namespace {

TEST(Pace, ANearBackupCostsNothing) {
  EXPECT_EQ(PacePermille(0), 0u);
  EXPECT_EQ(PacePermille(kPaceFreeLag.count()), 0u);
}

TEST(Pace, GrowsWithTheLag) {
  uint32_t before = 0;
  for (int lag = kPaceFreeLag.count() + 1; lag <= kPaceFullLag.count(); ++lag) {
    EXPECT_GT(PacePermille(lag), before) << lag << " ms";
    before = PacePermille(lag);
  }
}

TEST(Pace, NeverStopsTheVm) {
  EXPECT_EQ(PacePermille(kPaceFullLag.count()), FT_RING_PACE_MAX);
  EXPECT_EQ(PacePermille(1e9), FT_RING_PACE_MAX);
  EXPECT_LT(FT_RING_PACE_MAX, 1000u);
}

// Two machines in discrete time: the backup runs at `backup_speed` of its
// primary's, and the acknowledgement takes 3 ms. Returns the worst lag of
// the second half of a minute.
double SettledLag(double backup_speed) {
  constexpr int kStepsPerMs = 1;
  constexpr int kSteps = 60'000 * kStepsPerMs;
  std::vector<double> recorded(kSteps, 0);  // log at the end of each step
  std::vector<double> replayed(kSteps, 0);
  double worst = 0;
  int oldest = 0;  // the step whose log is not yet known to be replayed
  for (int now = 1; now < kSteps; ++now) {
    const int told = std::max(0, now - 3);
    while (oldest < now && recorded[oldest] <= replayed[told]) ++oldest;
    const double lag = now - oldest;
    recorded[now] = recorded[now - 1] + 1 - PacePermille(lag) / 1000.0;
    replayed[now] = std::min(replayed[now - 1] + backup_speed, recorded[now]);
    if (now > kSteps / 2) worst = std::max(worst, lag);
  }
  return worst;
}

TEST(Pace, ASlowBackupSettlesUnderTheBound) {
  EXPECT_LT(SettledLag(1.0), kPaceFreeLag.count());
  for (double speed : {0.9, 0.7, 0.5}) {
    EXPECT_LT(SettledLag(speed), 100) << speed;
  }
  // Swings, as each rest shows in the lag only after what ran before it.
  EXPECT_LT(SettledLag(0.2), 150);
}

}  // namespace
}  // namespace ft::primary
