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

TEST(Protection, ProtectedOnceReceivedThroughTheProtectPosition) {
  Protection protection = Cloned(100);
  protection.OnProtect(300);
  protection.OnSent(400);
  ASSERT_TRUE(protection.OnAck(299, 100).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtecting);
  ASSERT_TRUE(protection.OnAck(300, 100).ok());
  EXPECT_EQ(protection.phase(), Phase::kProtected);
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

TEST(Protection, CaughtUpNeedsLittleLogAndLittleLag) {
  Protection protection = Cloned(0);
  const LogPosition near = Protection::kCaughtUpBytes - 1;
  EXPECT_TRUE(protection.CaughtUp(near, 99ms));
  EXPECT_FALSE(protection.CaughtUp(near + 1, 99ms));
  EXPECT_FALSE(protection.CaughtUp(near, 100ms));
  EXPECT_FALSE(Protection().CaughtUp(0, 0ms)) << "no clone yet";
}

}  // namespace
}  // namespace ft::primary
