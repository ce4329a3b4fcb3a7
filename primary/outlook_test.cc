// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/outlook.h"

#include <gtest/gtest.h>

namespace ft::primary {
namespace {

using namespace std::chrono_literals;
using Stall = ProgressWatch::Stall;

TEST(Outlook, MostFinalFirst) {
  Outlook outlook{.gone = true,
                  .peer_bye = true,
                  .disable = true,
                  .damaged = true,
                  .orphaned = true,
                  .stalled = true,
                  .silent = true};
  EXPECT_EQ(NextTurn(outlook), Turn::kVmGone);
  outlook.gone = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kPeerLeft);
  outlook.peer_bye = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kEndByOperator);
  outlook.disable = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kGiveEngineUp);
  outlook.damaged = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kSuspectOurselves);
  outlook.orphaned = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kSuspectNoProgress);
  outlook.stalled = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kGiveEngineUp);
  outlook.silent = false;
  EXPECT_EQ(NextTurn(outlook), Turn::kWatch);
}

TEST(Outlook, OnlyABackupThatMayBeEntitledIsToldToTakeOver) {
  EXPECT_EQ(LastWordOf(false, true), LastWord::kVmGone);
  EXPECT_EQ(LastWordOf(false, false), LastWord::kNone);
  EXPECT_EQ(LastWordOf(true, true), LastWord::kBye);
}

class LeaseGapTest : public testing::Test {
 protected:
  // Twenty looks, 50 ms apart; the lease is over `ends` after each.
  bool LookForASecond(std::chrono::milliseconds ends) {
    bool changed = false;
    for (int i = 0; i < 20; ++i) {
      now_ += 50ms;
      changed |= gap_.Look(now_, now_ + ends);
    }
    return changed;
  }

  fencing::Instant now_{1h};
  LeaseGap gap_;
};

TEST_F(LeaseGapTest, BriefLeasesDo) {
  EXPECT_FALSE(LookForASecond(80ms));
  EXPECT_FALSE(LookForASecond(-40ms)) << "there was one since the last look";
  EXPECT_FALSE(gap_.waits());
}

TEST_F(LeaseGapTest, ASecondWithoutIsNewsAndSoIsOneWith) {
  EXPECT_FALSE(LookForASecond(80ms));
  EXPECT_TRUE(LookForASecond(-60ms));
  EXPECT_TRUE(gap_.waits());
  EXPECT_FALSE(LookForASecond(-60ms)) << "told once";
  EXPECT_FALSE(gap_.Look(now_ += 50ms, now_ + 80ms));
  EXPECT_FALSE(LookForASecond(-60ms)) << "one lease is no way out";
  EXPECT_TRUE(gap_.waits());
  EXPECT_TRUE(LookForASecond(80ms) || LookForASecond(80ms));
  EXPECT_FALSE(gap_.waits());
}

class ProgressWatchTest : public testing::Test {
 protected:
  ProgressWatch::Time now_{1h};
  ProgressWatch watch_{10s};
};

TEST_F(ProgressWatchTest, IdleBackupIsNoStall) {
  watch_.Begin(now_);
  EXPECT_EQ(watch_.Look(now_ += 30s, 100, 100, 100), Stall::kNone);
}

TEST_F(ProgressWatchTest, AcknowledgesNothing) {
  watch_.Begin(now_);
  EXPECT_EQ(watch_.Look(now_ += 10s, 100, 50, 50), Stall::kNone);
  EXPECT_EQ(watch_.Look(now_ += 1ms, 100, 50, 50), Stall::kAcknowledges);
}

TEST_F(ProgressWatchTest, ExecutesNothing) {
  watch_.Begin(now_);
  watch_.OnReceived(now_ += 9s);
  EXPECT_EQ(watch_.Look(now_ += 2s, 100, 90, 50), Stall::kExecutes);
}

TEST_F(ProgressWatchTest, SlowOneIsKept) {
  watch_.Begin(now_);
  for (uint64_t i = 0; i < 10; ++i) {
    now_ += 9s;
    watch_.OnReceived(now_);
    watch_.OnReplayed(now_);
    EXPECT_EQ(watch_.Look(now_, 100, i, i), Stall::kNone);
  }
}

TEST(Recovery, OnlyTheRecordKnows) {
  const fencing::VmRecord mine{"vm1", 3, "hostA"};
  const fencing::VmRecord other{"vm1", 4, "hostB"};
  const fencing::VmRecord nobody{"vm1", 4, ""};
  const auto judge = [](const std::optional<fencing::VmRecord>& record,
                        bool holding) {
    return JudgeRecovery(record, 3, "hostA", holding);
  };
  EXPECT_EQ(judge(other, true), RecoveryVerdict::kKill);
  EXPECT_EQ(judge(nobody, false), RecoveryVerdict::kKill);
  EXPECT_EQ(judge(mine, true), RecoveryVerdict::kContend);
  EXPECT_EQ(judge(mine, false), RecoveryVerdict::kAlone);
}

// What a store that is not mounted, or an old copy of it, says: nothing.
TEST(Recovery, AStoreOfAnotherTimeIsNotBelieved) {
  const fencing::VmRecord mine{"vm1", 3, "hostA"};
  const fencing::VmRecord other{"vm1", 3, "hostB"};
  for (const bool holding : {false, true}) {
    EXPECT_EQ(JudgeRecovery(std::nullopt, 4, "hostA", holding),
              RecoveryVerdict::kAskAgain);
    EXPECT_EQ(JudgeRecovery(mine, 4, "hostA", holding),
              RecoveryVerdict::kAskAgain);
    EXPECT_EQ(JudgeRecovery(other, 4, "hostA", holding),
              RecoveryVerdict::kAskAgain);
  }
  // Nothing is known: the record decides.
  EXPECT_EQ(JudgeRecovery(std::nullopt, 0, "hostA", false),
            RecoveryVerdict::kKill);
}

}  // namespace
}  // namespace ft::primary
