// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/contender.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;
using Outcome = TestAndSetOutcome;

constexpr Instant kStart{1h};

class ContenderTest : public testing::Test {
 protected:
  Action Silence() {
    Action action;
    for (now_ += 50ms; action.kind == Kind::kNone; now_ += 50ms) {
      action = contender_.Step(now_, true, false);
    }
    return action;
  }
  Instant now_ = kStart;
  Contender contender_{{.role = Role::kPrimary,
                        .epoch = 7,
                        .detector = FailureDetectorOptions::Primary()},
                       kStart};
};

TEST_F(ContenderTest, SilenceContendsAndTheAnswerDecides) {
  const Action asked = Silence();
  EXPECT_EQ(asked.kind, Kind::kContend);
  EXPECT_EQ(asked.epoch, 7u);
  const Action won = contender_.OnAnswer(now_, Outcome::kAcquired, false);
  EXPECT_EQ(won.kind, Kind::kContinueAlone);
  EXPECT_EQ(won.epoch, 8u);
}

TEST_F(ContenderTest, WithoutCarrierItWaits) {
  for (int i = 0; i < 20; ++i) {
    now_ += 50ms;
    EXPECT_EQ(contender_.Step(now_, false, false).kind, Kind::kNone);
  }
  EXPECT_TRUE(contender_.waiting());
}

TEST_F(ContenderTest, OwnVmGoneHaltsFirst) {
  now_ += 10s;
  EXPECT_EQ(contender_.Step(now_, true, true).halt, HaltReason::kOwnVmGone);
}

TEST_F(ContenderTest, EpochWonForNobodyIsNamed) {
  Silence();
  const Action halt = contender_.OnAnswer(now_, Outcome::kAcquired, true);
  EXPECT_EQ(halt.kind, Kind::kHalt);
  EXPECT_EQ(halt.halt, HaltReason::kOwnVmGone);
  EXPECT_EQ(halt.epoch, 8u);
}

TEST_F(ContenderTest, EpochThatWasNotWonIsNotReleased) {
  Silence();
  const Action halt = contender_.OnAnswer(now_, Outcome::kUnreachable, true);
  EXPECT_EQ(halt.kind, Kind::kHalt);
  EXPECT_EQ(halt.epoch, 0u);
}

TEST_F(ContenderTest, ReaderKnowsWhoTookTheVm) {
  EXPECT_FALSE(TakenByAnother(std::nullopt, 7, "hostA"));
  EXPECT_FALSE(TakenByAnother(VmRecord{"vm1", 7, "hostB"}, 7, "hostA"));
  EXPECT_FALSE(TakenByAnother(VmRecord{"vm1", 8, "hostA"}, 7, "hostA"));
  EXPECT_TRUE(TakenByAnother(VmRecord{"vm1", 8, "hostB"}, 7, "hostA"));
}

}  // namespace
}  // namespace ft::fencing
