// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/arbitration.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;
using State = ArbitrationState;
using Outcome = TestAndSetOutcome;

constexpr uint64_t kEpoch = 7;

class ArbitrationTest : public testing::Test {
 protected:
  static Arbitration Side(Role role) {
    return Arbitration({.role = role, .epoch = kEpoch});
  }
  ArbitrationTest() { backup_.OnEntitled(); }

  Instant now_{1h};
  Arbitration primary_ = Side(Role::kPrimary);
  Arbitration backup_ = Side(Role::kBackup);
};

TEST_F(ArbitrationTest, Backup_ContendsThenGoesLive) {
  EXPECT_EQ(backup_.OnVerdict(now_, std::nullopt).kind, Kind::kNone);
  const Action contend = backup_.OnVerdict(now_, Suspicion::kSilence);
  EXPECT_EQ(contend.kind, Kind::kContend);
  EXPECT_EQ(contend.epoch, kEpoch);
  const Action live = backup_.OnAnswer(now_, Outcome::kAcquired);
  EXPECT_EQ(live.kind, Kind::kGoLive);
  EXPECT_EQ(live.epoch, kEpoch + 1);
  EXPECT_EQ(backup_.state(), State::kLive);
  EXPECT_EQ(backup_.suspicion(), Suspicion::kSilence);
}

TEST_F(ArbitrationTest, Primary_ContendsThenContinuesAlone) {
  EXPECT_EQ(primary_.OnVerdict(now_, Suspicion::kConnectionReset).kind,
            Kind::kContend);
  EXPECT_EQ(primary_.OnAnswer(now_, Outcome::kAcquired).kind,
            Kind::kContinueAlone);
}

TEST_F(ArbitrationTest, HeldByPeer_HaltsAtOnceAndForGood) {
  primary_.OnVerdict(now_, Suspicion::kSilence);
  const Action halt = primary_.OnAnswer(now_, Outcome::kHeldByPeer);
  EXPECT_EQ(halt.kind, Kind::kHalt);
  EXPECT_EQ(halt.halt, HaltReason::kHeldByPeer);
  EXPECT_EQ(primary_.Suspect(now_, Suspicion::kRestarted).kind, Kind::kNone);
  EXPECT_EQ(primary_.OnVerdict(now_, std::nullopt).kind, Kind::kNone);
  EXPECT_EQ(primary_.Tick(now_ + 1h).kind, Kind::kNone);
  EXPECT_EQ(primary_.state(), State::kHalted);
}

TEST_F(ArbitrationTest, Contending_AsksOnceHoweverOftenSuspected) {
  EXPECT_EQ(backup_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kContend);
  EXPECT_EQ(backup_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kNone);
  EXPECT_EQ(backup_.OnVerdict(now_, Suspicion::kPeerVmGone).kind, Kind::kNone);
  EXPECT_EQ(backup_.attempts(), 1);
}

TEST_F(ArbitrationTest, Contending_PeerHeardAgainChangesNothing) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  EXPECT_EQ(backup_.OnVerdict(now_, std::nullopt).kind, Kind::kNone);
  EXPECT_EQ(backup_.state(), State::kContending);
  backup_.OnAnswer(now_, Outcome::kUnreachable);
  EXPECT_EQ(backup_.OnVerdict(now_, std::nullopt).kind, Kind::kNone);
  EXPECT_EQ(backup_.state(), State::kWaiting) << "the request may have won";
}

TEST_F(ArbitrationTest, Unreachable_RetriesWithDoubledAndBoundedDelay) {
  Action action = backup_.OnVerdict(now_, Suspicion::kSilence);
  for (auto delay :
       {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms, 2000ms}) {
    ASSERT_EQ(action.kind, Kind::kContend);
    action = backup_.OnAnswer(now_, Outcome::kUnreachable);
    ASSERT_EQ(action.kind, Kind::kRetryAt);
    ASSERT_EQ(action.at, now_ + delay);
    ASSERT_EQ(backup_.next_deadline(), action.at);
    ASSERT_EQ(backup_.Tick(action.at - 1ns).kind, Kind::kNone);
    now_ = action.at;
    action = backup_.Tick(now_);
  }
  EXPECT_EQ(backup_.OnAnswer(now_, Outcome::kAcquired).kind, Kind::kGoLive);
}

TEST_F(ArbitrationTest, Unreachable_SuspicionDoesNotHurryTheRetry) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  backup_.OnAnswer(now_, Outcome::kUnreachable);
  EXPECT_EQ(backup_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kNone);
  EXPECT_EQ(backup_.attempts(), 1);
}

TEST_F(ArbitrationTest, NoCarrier_WaitsAndContendsWhenItIsBackAndSettled) {
  primary_.OnUplink(now_, false);
  EXPECT_EQ(primary_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kNone);
  EXPECT_EQ(primary_.state(), State::kWaiting);
  EXPECT_EQ(primary_.Tick(now_ + 1h).kind, Kind::kNone);
  EXPECT_EQ(primary_.attempts(), 0);

  const Action retry = primary_.OnUplink(now_, true);
  EXPECT_EQ(retry.kind, Kind::kRetryAt);
  EXPECT_EQ(retry.at, now_ + 100ms);
  EXPECT_EQ(primary_.OnVerdict(now_ + 50ms, Suspicion::kSilence).kind,
            Kind::kNone);
  EXPECT_EQ(primary_.Tick(now_ + 100ms).kind, Kind::kContend);
}

TEST_F(ArbitrationTest, NoCarrier_SilenceThatEndsIsDropped) {
  primary_.OnUplink(now_, false);
  primary_.OnVerdict(now_, Suspicion::kSilence);
  primary_.OnUplink(now_, true);
  EXPECT_EQ(primary_.OnVerdict(now_, std::nullopt).kind, Kind::kNone);
  EXPECT_EQ(primary_.state(), State::kWatching);
  EXPECT_EQ(primary_.suspicion(), std::nullopt);
  EXPECT_EQ(primary_.Tick(now_ + 1h).kind, Kind::kNone);
}

TEST_F(ArbitrationTest, NoCarrier_LastingSuspicionIsNotDropped) {
  primary_.OnUplink(now_, false);
  primary_.OnVerdict(now_, Suspicion::kSilence);
  primary_.OnVerdict(now_, Suspicion::kConnectionReset);
  primary_.OnVerdict(now_, Suspicion::kSilence);
  primary_.OnVerdict(now_, std::nullopt);
  EXPECT_EQ(primary_.state(), State::kWaiting);
  EXPECT_EQ(primary_.suspicion(), Suspicion::kConnectionReset);
}

TEST_F(ArbitrationTest, NoCarrier_HoldsUpARetryToo) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  backup_.OnAnswer(now_, Outcome::kUnreachable);
  backup_.OnUplink(now_, false);
  EXPECT_EQ(backup_.Tick(now_ + 1s).kind, Kind::kNone);
  backup_.OnUplink(now_ + 2s, true);
  EXPECT_EQ(backup_.Tick(now_ + 2100ms).kind, Kind::kContend);
}

TEST_F(ArbitrationTest, NoCarrier_WonMeanwhileGoesLiveNonetheless) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  backup_.OnUplink(now_, false);
  EXPECT_EQ(backup_.OnAnswer(now_, Outcome::kAcquired).kind, Kind::kGoLive);
}

TEST_F(ArbitrationTest, NotEntitled_BackupHaltsAndNeverAsks) {
  Arbitration backup = Side(Role::kBackup);
  const Action halt = backup.OnVerdict(now_, Suspicion::kConnectionReset);
  EXPECT_EQ(halt.kind, Kind::kHalt);
  EXPECT_EQ(halt.halt, HaltReason::kNotEntitled);
  EXPECT_EQ(backup.attempts(), 0);
}

TEST_F(ArbitrationTest, Acknowledging_EndsForEverWithTheFirstQuestion) {
  backup_.OnUplink(now_, false);
  backup_.OnVerdict(now_, Suspicion::kSilence);
  EXPECT_TRUE(backup_.may_acknowledge()) << "it has not asked";
  backup_.OnUplink(now_, true);
  backup_.Tick(now_ + 1s);
  EXPECT_FALSE(backup_.may_acknowledge());
  backup_.OnAnswer(now_ + 1s, Outcome::kUnreachable);
  EXPECT_FALSE(backup_.may_acknowledge());
  backup_.Tick(now_ + 2s);
  backup_.OnAnswer(now_ + 2s, Outcome::kAcquired);
  EXPECT_FALSE(backup_.may_acknowledge());
}

TEST_F(ArbitrationTest, Handover_BackupContendsAtOnce) {
  EXPECT_EQ(backup_.OnHandover(now_).kind, Kind::kContend);
  EXPECT_EQ(backup_.OnHandover(now_).kind, Kind::kNone) << "asked already";
  EXPECT_EQ(backup_.OnAnswer(now_, Outcome::kAcquired).kind, Kind::kGoLive);
}

TEST_F(ArbitrationTest, Handover_IsRefusedByABackupThatWouldNotGoLive) {
  backup_.OnUplink(now_, false);
  EXPECT_EQ(backup_.OnHandover(now_).kind, Kind::kRefuse);
  EXPECT_EQ(backup_.state(), State::kWatching);
  Arbitration not_entitled = Side(Role::kBackup);
  const Action refuse = not_entitled.OnHandover(now_);
  EXPECT_EQ(refuse.kind, Kind::kRefuse);
  EXPECT_STREQ(refuse.refusal, "protection has not begun");
}

TEST_F(ArbitrationTest, Handover_DoneHaltsThePrimaryEvenWhileContending) {
  primary_.Suspect(now_, Suspicion::kHandoverUnanswered);
  const Action halt = primary_.OnHandedOver();
  EXPECT_EQ(halt.kind, Kind::kHalt);
  EXPECT_EQ(halt.halt, HaltReason::kHandedOver);
  EXPECT_EQ(primary_.OnAnswer(now_, Outcome::kHeldByPeer).kind, Kind::kNone);
  EXPECT_EQ(primary_.state(), State::kHalted);
}

TEST_F(ArbitrationTest, OwnVmGone_HaltsWithoutAsking) {
  EXPECT_EQ(primary_.OnOwnVmGone().kind, Kind::kHalt);
  EXPECT_EQ(primary_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kNone);
  EXPECT_EQ(primary_.attempts(), 0);
}

TEST_F(ArbitrationTest, OwnVmGone_WhatWasWonForNobodyIsReleased) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  EXPECT_EQ(backup_.OnOwnVmGone().kind, Kind::kHalt);
  const Action release = backup_.OnAnswer(now_, Outcome::kAcquired);
  EXPECT_EQ(release.kind, Kind::kRelease);
  EXPECT_EQ(release.epoch, kEpoch + 1);
}

TEST_F(ArbitrationTest, Bye_EndsABackupThatHasNotAsked) {
  EXPECT_EQ(backup_.OnBye().halt, HaltReason::kProtectionEnded);
  EXPECT_EQ(backup_.OnVerdict(now_, Suspicion::kSilence).kind, Kind::kNone);
}

TEST_F(ArbitrationTest, Bye_IsIgnoredOnceAsked) {
  backup_.OnVerdict(now_, Suspicion::kSilence);
  EXPECT_EQ(backup_.OnBye().kind, Kind::kNone);
  EXPECT_EQ(backup_.OnAnswer(now_, Outcome::kHeldByPeer).kind, Kind::kHalt);
}

TEST_F(ArbitrationTest, ProtectionEnded_NeedsNoCarrier) {
  primary_.OnUplink(now_, false);
  primary_.OnVerdict(now_, Suspicion::kConnectionReset);
  EXPECT_EQ(primary_.Suspect(now_, Suspicion::kProtectionEnded).kind,
            Kind::kContend);
}

TEST_F(ArbitrationTest, Answer_WithoutQuestionIsOurOwnMistake) {
  EXPECT_DEATH(primary_.OnAnswer(now_, Outcome::kAcquired), "no question");
  primary_.OnVerdict(now_, Suspicion::kSilence);
  primary_.OnAnswer(now_, Outcome::kAcquired);
  EXPECT_DEATH(primary_.OnAnswer(now_, Outcome::kAcquired), "no question");
}

}  // namespace
}  // namespace ft::fencing
