// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/judgement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/chaos/conditions.h"

namespace ft::chaos {
namespace {

using ::testing::HasSubstr;

const Trial kOneFault = {.faults = {{.kind = FaultKind::kHostKilled}}};
const Trial kTwoFaults = {
    .faults = {{.kind = FaultKind::kHostKilled},
               {.kind = FaultKind::kEngineKilled, .target = Target::kBackup}}};

// The one promise that `seen` breaks; "" if it keeps them all.
std::string Broken(const Observed& seen, const Trial& trial = kOneFault) {
  const Sentence sentence = Judge(trial, seen);
  EXPECT_EQ(sentence.judgement == Judgement::kBroken, !sentence.broken.empty());
  return sentence.broken.size() == 1 ? sentence.broken.front()
                                     : std::to_string(sentence.broken.size());
}

TEST(Judgement, AQuietRunKeepsEverything) {
  EXPECT_EQ(Judge(kOneFault, {}).judgement, Judgement::kKept);
}

TEST(Judgement, EveryPromiseCanBeBroken) {
  EXPECT_THAT(Broken({.vm_lost = true}), HasSubstr("lost"));
  EXPECT_THAT(Broken({.served = false}), HasSubstr("not served"));
  EXPECT_THAT(Broken({.settled = false}), HasSubstr("stuck"));
  EXPECT_THAT(Broken({.live_sides = 2}), HasSubstr("2 live sides"));
  EXPECT_THAT(Broken({.live_sides = 0}), HasSubstr("0 live sides"));
  EXPECT_THAT(Broken({.two_live = "hostA hostB"}), HasSubstr("two live"));
  EXPECT_THAT(Broken({.frames_changed_host = 2, .epochs = 1}),
              HasSubstr("stale frames"));
  EXPECT_THAT(Broken({.protected_again = false}), HasSubstr("again"));
  EXPECT_THAT(Broken({.ftd_ends = {"hostA: ftd ended with 134"}}),
              HasSubstr("134"));
  EXPECT_THAT(Broken({.guest_panic = "Kernel panic"}), HasSubstr("panic"));
  EXPECT_THAT(Broken({.linearizable = false}), HasSubstr("linearizable"));
  EXPECT_THAT(Broken({.read_back = false}), HasSubstr("read back"));
  EXPECT_THAT(Broken({.connections = 3, .survived = 2}), HasSubstr("1 of 3"));
  EXPECT_THAT(Broken({.trouble = "no bed"}), HasSubstr("no bed"));
}

TEST(Judgement, AFailoverChangesTheHostOnce) {
  EXPECT_EQ(Judge(kOneFault, {.frames_changed_host = 1, .epochs = 1}).judgement,
            Judgement::kKept);
}

TEST(Judgement, TheVmMayBeLostToTwoFaultsOnly) {
  const Observed lost = {
      .vm_lost = true, .served = false, .live_sides = 0, .connections = 3};
  EXPECT_EQ(Judge(kTwoFaults, lost).judgement, Judgement::kLost);
  EXPECT_EQ(Judge(kOneFault, lost).judgement, Judgement::kBroken);
}

// What clients had seen by then must still be right.
TEST(Judgement, ALostVmExcusesNoWrongHistory) {
  EXPECT_THAT(Broken({.vm_lost = true, .linearizable = false}, kTwoFaults),
              HasSubstr("linearizable"));
  EXPECT_THAT(Broken({.vm_lost = true, .two_live = "both"}, kTwoFaults),
              HasSubstr("two live"));
}

TEST(Judgement, AMoveMustSucceedOnAHealthyPair) {
  const Fault moved = {.kind = FaultKind::kMoved, .target = Target::kBoth};
  const Observed refused = {.move_error = "it ended with 1"};
  EXPECT_THAT(Broken(refused, {.faults = {moved}}), HasSubstr("failover"));
  EXPECT_EQ(Broken(refused, {.faults = {moved, kOneFault.faults[0]}}), "0");
}

Condition Host(const char* role, const char* state, int engines) {
  return {.answers = true, .role = role, .state = state, .engines = engines};
}

TEST(Conditions, SettledIsOneStoryOfBothHosts) {
  const Condition alone = Host("primary", "need-backup", 1);
  const Condition gone = Host("none", "halted", 0);
  const Condition primary = Host("primary", "protected", 1);
  const Condition backup = Host("backup", "protected", 1);
  EXPECT_EQ((Conditions{alone, gone}).Settled(), bed::Side::kA);
  EXPECT_EQ((Conditions{gone, alone}).Settled(), bed::Side::kB);
  EXPECT_EQ((Conditions{primary, backup}).Settled(), bed::Side::kA);
  EXPECT_TRUE((Conditions{primary, backup}).Protected());
  EXPECT_FALSE((Conditions{alone, gone}).Protected());
  EXPECT_EQ((Conditions{primary, gone}).Settled(), std::nullopt);
  EXPECT_EQ((Conditions{alone, alone}).Settled(), std::nullopt);
  EXPECT_EQ((Conditions{gone, gone}).Settled(), std::nullopt);
  EXPECT_EQ((Conditions{alone, Host("none", "halted", 1)}).Settled(),
            std::nullopt);
  Condition deciding = primary;
  deciding.reason = "lost-connection";
  EXPECT_EQ((Conditions{deciding, backup}).Settled(), std::nullopt);
  Condition mute = alone;
  mute.answers = false;
  EXPECT_EQ((Conditions{mute, gone}).Settled(), std::nullopt);
}

TEST(Conditions, LostIsNoEngineAnywhere) {
  EXPECT_TRUE((Conditions{Host("none", "failed", 0), {}}).Lost());
  EXPECT_FALSE(
      (Conditions{Host("none", "failed", 0), Host("backup", "protected", 1)})
          .Lost());
}

}  // namespace
}  // namespace ft::chaos
