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
  EXPECT_EQ(JudgeRecovery(std::nullopt, "hostA", false),
            RecoveryVerdict::kKill);
  EXPECT_EQ(JudgeRecovery(other, "hostA", true), RecoveryVerdict::kKill);
  EXPECT_EQ(JudgeRecovery(nobody, "hostA", false), RecoveryVerdict::kKill);
  EXPECT_EQ(JudgeRecovery(mine, "hostA", true), RecoveryVerdict::kContend);
  EXPECT_EQ(JudgeRecovery(mine, "hostA", false), RecoveryVerdict::kAlone);
}

}  // namespace
}  // namespace ft::primary
