// SPDX-License-Identifier: GPL-2.0-or-later
//
// The short form of the chaos ring: the first runs of one seed, with faults
// that the other system tests do not have.
#include <gtest/gtest.h>

#include "tests/chaos/trial.h"

namespace ft::chaos {
namespace {

TEST(ChaosSmoke, EveryPromiseIsKept) {
  constexpr uint64_t kSeed = 1;
  constexpr int kRuns = 7;
  const std::vector<FaultKind> kinds = {
      FaultKind::kStarved, FaultKind::kLogMute, FaultKind::kHostKilled,
      FaultKind::kStoreGone};
  Campaign campaign(kSeed);
  for (int number = 1; number <= kRuns; ++number) {
    const Trial trial = PlanTrial(kSeed, number, kinds);
    const RunOutcome outcome =
        Perform(campaign, trial, kSeed,
                ::testing::TempDir() + "chaos-smoke/" + std::to_string(number));
    if (outcome.is_void()) {
      --number;
      continue;
    }
    EXPECT_NE(outcome.sentence.judgement, Judgement::kBroken) << Text(trial);
    for (const std::string& line : outcome.sentence.broken) {
      ADD_FAILURE() << line << "; evidence: " << outcome.figures.evidence;
    }
    EXPECT_GT(outcome.figures.operations, 100u) << Text(trial);
  }
}

}  // namespace
}  // namespace ft::chaos
