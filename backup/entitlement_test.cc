// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/entitlement.h"

#include <gtest/gtest.h>

namespace ft::backup {
namespace {

Entitlement Following(LogPosition position) {
  Entitlement entitlement;
  EXPECT_TRUE(entitlement.OnCloneDone(position).ok());
  EXPECT_TRUE(entitlement.OnFollow(position).ok());
  return entitlement;
}

TEST(Entitlement, NeedsProtectAndTheLogThroughIt) {
  Entitlement entitlement = Following(100);
  entitlement.OnAppended(500);
  EXPECT_FALSE(entitlement.entitled()) << "no Protect yet";
  ASSERT_TRUE(entitlement.OnProtect(600).ok());
  EXPECT_FALSE(entitlement.entitled()) << "log through 600 is missing";
  entitlement.OnAppended(599);
  EXPECT_FALSE(entitlement.entitled());
  entitlement.OnAppended(600);
  EXPECT_TRUE(entitlement.entitled());
}

TEST(Entitlement, CloneAndEngineMustAgreeOnThePosition) {
  Entitlement first;
  ASSERT_TRUE(first.OnCloneDone(100).ok());
  EXPECT_FALSE(first.OnFollow(101).ok());
  EXPECT_FALSE(first.following());
  Entitlement second;
  ASSERT_TRUE(second.OnFollow(100).ok());
  EXPECT_FALSE(second.OnCloneDone(99).ok());
  EXPECT_FALSE(second.following());
}

TEST(Entitlement, RefusesAGapAndARepetition) {
  Entitlement entitlement = Following(100);
  EXPECT_TRUE(entitlement.CheckEntries(100).ok());
  entitlement.OnAppended(200);
  EXPECT_FALSE(entitlement.CheckEntries(204).ok());
  EXPECT_FALSE(entitlement.CheckEntries(100).ok());
  EXPECT_TRUE(entitlement.CheckEntries(200).ok());
}

TEST(Entitlement, RefusesMessagesOutOfOrder) {
  Entitlement entitlement;
  EXPECT_FALSE(entitlement.CheckEntries(0).ok());
  EXPECT_FALSE(entitlement.OnProtect(0).ok());
  EXPECT_FALSE(entitlement.CheckFinal(0).ok());
  ASSERT_TRUE(entitlement.OnCloneDone(0).ok());
  EXPECT_FALSE(entitlement.OnCloneDone(0).ok()) << "twice";
  ASSERT_TRUE(entitlement.OnProtect(0).ok());
  EXPECT_FALSE(entitlement.OnProtect(0).ok()) << "twice";
}

TEST(Entitlement, FinalPositionIsWhatWasReceived) {
  Entitlement entitlement = Following(100);
  entitlement.OnAppended(300);
  EXPECT_FALSE(entitlement.CheckFinal(299).ok());
  EXPECT_FALSE(entitlement.CheckFinal(301).ok());
  EXPECT_TRUE(entitlement.CheckFinal(300).ok());
}

// The engine's word comes out of a ring that may be damaged.
TEST(Entitlement, ReplayedIsBetweenTheLastWordAndReceived) {
  Entitlement entitlement = Following(100);
  entitlement.OnAppended(300);
  EXPECT_TRUE(entitlement.OnReplayed(200).ok());
  EXPECT_FALSE(entitlement.OnReplayed(199).ok());
  EXPECT_FALSE(entitlement.OnReplayed(301).ok());
  EXPECT_EQ(entitlement.replayed(), 200u);
  EXPECT_TRUE(entitlement.OnReplayed(300).ok());
}

}  // namespace
}  // namespace ft::backup
