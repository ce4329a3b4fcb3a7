// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/protection.h"

#include <gtest/gtest.h>

namespace ft::primary {
namespace {

using namespace std::chrono_literals;
using Phase = Protection::Phase;

Protection Cloned(LogPosition position) {
  Protection protection;
  protection.OnClone(position);
  return protection;
}

TEST(Protection, NotEntitledUntilProtectWasSent) {
  Protection protection = Cloned(100);
  protection.OnSent(200);
  ASSERT_TRUE(protection.OnAck(200, 200).ok());
  EXPECT_FALSE(protection.may_be_entitled());
  EXPECT_EQ(protection.phase(), Phase::kCatchingUp);
  protection.OnProtect(180);
  EXPECT_TRUE(protection.may_be_entitled());
}

TEST(Protection, MayBeEntitledBeforeItsAcknowledgementArrives) {
  Protection protection = Cloned(100);
  protection.OnSent(200);
  protection.OnProtect(300);
  EXPECT_EQ(protection.phase(), Phase::kProtecting);
  EXPECT_TRUE(protection.may_be_entitled());
}

// Having the log through Protect's position is not having Protect: a backup
// that lost the primary now would halt (seed 4215 of the simulator).
TEST(Protection, ProtectedOnceTheBackupSaysThatItIsEntitled) {
  Protection protection = Cloned(100);
  protection.OnProtect(300);
  protection.OnSent(400);
  ASSERT_TRUE(protection.OnAck(299, 100).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtecting);
  ASSERT_TRUE(protection.OnAck(300, 100).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtecting);
  ASSERT_TRUE(protection.OnAck(300, 100, true).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtected);
  ASSERT_TRUE(protection.OnAck(310, 100).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtected) << "for good";
}

TEST(Protection, RefusesAnEntitlementThatCannotBe) {
  Protection protection = Cloned(100);
  protection.OnSent(400);
  EXPECT_FALSE(protection.OnAck(300, 100, true).ok()) << "no Protect";
  protection.OnProtect(350);
  EXPECT_FALSE(protection.OnAck(349, 100, true).ok()) << "not the log";
  EXPECT_EQ(protection.phase(), Phase::kProtecting);
}

TEST(Protection, ByeEndsTheEntitlement) {
  Protection protection = Cloned(0);
  protection.OnProtect(0);
  protection.OnPeerBye();
  EXPECT_FALSE(protection.may_be_entitled());
}

TEST(Protection, RefusesAcknowledgementsThatCannotBe) {
  Protection protection = Cloned(100);
  protection.OnSent(200);
  EXPECT_FALSE(protection.OnAck(201, 100).ok()) << "never sent";
  ASSERT_TRUE(protection.OnAck(200, 150).ok());
  EXPECT_FALSE(protection.OnAck(199, 150).ok()) << "received goes back";
  EXPECT_FALSE(protection.OnAck(200, 149).ok()) << "replayed goes back";
  EXPECT_FALSE(protection.OnAck(200, 201).ok()) << "replayed the unseen";
  EXPECT_EQ(protection.received(), 200u);
  EXPECT_EQ(protection.replayed(), 150u);
}

TEST(Protection, RefusesAcknowledgementBeforeTheClone) {
  Protection protection;
  EXPECT_FALSE(protection.OnAck(0, 0).ok());
}

// Asked every 100 ms from 0 on with the same facts: when is it caught up?
std::chrono::milliseconds CaughtUpAfter(Protection protection,
                                        LogPosition committed,
                                        std::chrono::milliseconds lag) {
  for (auto time = 0ms; time < 9000ms; time += 100ms) {
    const Protection::Time now = Protection::Time{} + 1h + time;
    if (protection.CaughtUp(committed, lag, now)) return time;
  }
  return -1ms;
}

TEST(Protection, CaughtUpNeedsLittleLogAndLittleLagForAWhile) {
  Protection protection = Cloned(0);
  protection.OnSent(Protection::kCaughtUpBytes);
  ASSERT_TRUE(protection.OnAck(10, 10).ok());
  EXPECT_EQ(CaughtUpAfter(protection, 10, 99ms), 200ms);
  EXPECT_EQ(CaughtUpAfter(protection, 10, 100ms), 3100ms) << "patience";
  EXPECT_EQ(CaughtUpAfter(protection, 10, 1000ms), 8100ms) << "any lag";
  EXPECT_EQ(CaughtUpAfter(protection, 11, 0ms), -1ms) << "11 not replayed";
  EXPECT_EQ(CaughtUpAfter(Protection(), 0, 0ms), -1ms) << "no clone yet";
}

TEST(Protection, CaughtUpStartsAgainAfterABreak) {
  Protection protection = Cloned(0);
  const Protection::Time now = Protection::Time{} + 1h;
  EXPECT_FALSE(protection.CaughtUp(0, 0ms, now));
  EXPECT_FALSE(protection.CaughtUp(0, 150ms, now + 100ms));
  EXPECT_FALSE(protection.CaughtUp(0, 0ms, now + 250ms));
  EXPECT_FALSE(
      protection.CaughtUp(Protection::kCaughtUpBytes, 0ms, now + 280ms))
      << "too much log";
  EXPECT_FALSE(protection.CaughtUp(0, 0ms, now + 479ms));
  EXPECT_TRUE(protection.CaughtUp(0, 0ms, now + 480ms));
}

}  // namespace
}  // namespace ft::primary
