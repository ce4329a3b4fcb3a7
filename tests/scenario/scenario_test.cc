// SPDX-License-Identifier: GPL-2.0-or-later
//
// The failures that a pair has to get right, one after the other.
#include "tests/scenario/stage.h"

namespace ft::sim {
namespace {

using fencing::VmRecord;

class Scenario : public Stage {};

// hostB loses all its links and sees it. hostA hears nothing, wins, serves.
// hostB does not ask while it has no carrier; it reads, and gives up.
TEST_F(Scenario, IsolateTheBackup_PrimaryServesOn) {
  Protect();
  world_.Isolate(kB);
  EXPECT_TRUE(Until([this] { return Alone(kA); }, kSecond)) << Story();
  EXPECT_TRUE(Until([this] { return Idle(kB); }, 2 * kSecond)) << Story();
  EXPECT_FALSE(Runs(kB));
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostA"}));
}

// As before with the names exchanged: the primary leaves the VM to hostB.
TEST_F(Scenario, IsolateThePrimary_BackupTakesOver) {
  Protect();
  world_.Isolate(kA);
  EXPECT_TRUE(Until([this] { return Alone(kB); }, kSecond)) << Story();
  EXPECT_TRUE(Until([this] { return !Runs(kA); }, 2 * kSecond)) << Story();
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostB"}));
}

// Nobody needs the storage while the pair is whole. Then hostB dies: hostA
// may not go on, holds its outputs, and asks until it is answered.
TEST_F(Scenario, IsolateThePrimaryFromStorageOnly_WaitsForItWhenItIsNeeded) {
  Protect();
  StoreIs(kA, {.unreachable = true});
  const uint64_t before = Answered();
  RunFor(2 * kSecond);
  EXPECT_TRUE(Protected(kA));
  EXPECT_GT(Answered(), before);

  world_.KillHost(kB);
  RunFor(500 * kMs);
  const uint64_t held = Answered();
  RunFor(3 * kSecond);
  EXPECT_EQ(Answered(), held) << "an answer left undecided";
  EXPECT_EQ(Record().epoch, 1u);

  StoreIs(kA, {});
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 4 * kSecond)) << Story();
}

// The backup gets everything, its acknowledgements get lost. No output
// leaves until hostA has won; hostB, who heard hostA all the time, loses.
TEST_F(Scenario, CutAcksOnly_NothingLeavesUntilThePrimaryHasWon) {
  Protect();
  CutFrom(kB);
  RunFor(50 * kMs);
  const uint64_t held = Answered();
  RunFor(250 * kMs);
  EXPECT_EQ(Answered(), held) << Story();
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 2 * kSecond)) << Story();
  EXPECT_TRUE(Until([this] { return !Runs(kB); }, 2 * kSecond)) << Story();
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostA"}));
}

// Both ask. The one who serves is the quicker one, and wins.
TEST_F(Scenario, DuelOfTwoCandidates_TheServingSideWins) {
  Protect();
  CutLink();
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 600 * kMs)) << Story();
  EXPECT_TRUE(Until([this] { return !Runs(kB); }, kSecond)) << Story();
}

// Both ask, and hostA's question is late by seconds: it is told that hostB
// has the VM, and kills its own.
TEST_F(Scenario, DuelOfTwoCandidates_TheLoserHalts) {
  Protect();
  StoreIs(kA, {.unreachable = true});
  CutLink();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 2 * kSecond)) << Story();
  EXPECT_TRUE(Runs(kA)) << "it cannot know yet";
  StoreIs(kA, {});
  EXPECT_TRUE(Until([this] { return !Runs(kA); }, 3 * kSecond)) << Story();
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostB"}));
}

// hostB wins and is not told. hostA, alive and cut off, is told that it
// lost. So nobody runs the VM until hostB asks again, and is the winner.
TEST_F(Scenario, LostTestAndSetReply_WinnerStaysWinner) {
  Protect();
  StoreIs(kA, {.unreachable = true});
  StoreIs(kB, {.loses_replies = true});
  CutLink();
  EXPECT_TRUE(Until([this] { return Record().epoch == 2; })) << Story();
  StoreIs(kA, {});
  EXPECT_TRUE(Until([this] { return !Runs(kA); }, 3 * kSecond)) << Story();
  EXPECT_FALSE(Alone(kB)) << "it does not know that it won";
  StoreIs(kB, {});
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 4 * kSecond)) << Story();
  EXPECT_EQ(Record().epoch, 2u);
}

// hostA dies, hostB wins and dies while it drains the log: two failures,
// the VM is lost. hostA returns; it does not run what is not its own.
TEST_F(Scenario, BackupDiesWhileGoingLive_NobodyGoesBack) {
  Protect();
  world_.hosts[kB].engine->slow = true;
  RunFor(100 * kMs);
  world_.KillHost(kA);
  ASSERT_TRUE(Until([this] { return Record().epoch == 2; })) << Story();
  world_.KillEngine(kB);
  RunFor(kSecond);
  world_.BootHost(kA);
  RunFor(3 * kSecond);
  EXPECT_FALSE(Runs(kA) || Runs(kB));
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostB"}));
}

// An unprotected VM dies with its host; what hostB has of it is nothing
// that may live.
TEST_F(Scenario, PrimaryDiesDuringAClone_BackupNeverLives) {
  Enable(kA);
  ASSERT_TRUE(Until([this] { return world_.hosts[kB].engine != nullptr; }));
  RunFor(10 * kMs);
  world_.KillHost(kA);
  EXPECT_TRUE(Until([this] { return Idle(kB); })) << Story();
  EXPECT_FALSE(Runs(kB));
  EXPECT_EQ(Record(), (VmRecord{"vm1", 1, "hostA"}));
}

TEST_F(Scenario, BackupDiesDuringAClone_VmRunsOnUntouched) {
  Enable(kA);
  ASSERT_TRUE(Until([this] { return world_.hosts[kB].engine != nullptr; }));
  RunFor(10 * kMs);
  world_.KillHost(kB);
  const uint64_t before = Answered();
  EXPECT_TRUE(Until([this] { return Idle(kA); })) << Story();
  EXPECT_GT(Answered(), before) << "it never stood still";
  EXPECT_TRUE(Alone(kA));
  EXPECT_EQ(Record().epoch, 1u);
}

// Protect has left and nobody calls the VM protected yet: its death is
// already the backup's to answer, and the record stays where it expects it.
TEST_F(Scenario, PrimaryVmDiesRightAfterProtect_BackupTakesOver) {
  Enable(kA);
  ASSERT_TRUE(Until([this] {
    const PrimarySide* side = world_.hosts[kA].ftd->primary();
    return side != nullptr && side->protection().may_be_entitled();
  })) << Story();
  EXPECT_FALSE(Protected(kA));
  world_.KillEngine(kA);
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 2 * kSecond)) << Story();
  RunFor(4 * kSecond);
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostB"}));
}

// Both daemons die. hostA's engine runs on, mute, and pauses after 2 s;
// hostB's ends. hostA's daemon returns, asks, wins: every write is there.
TEST_F(Scenario, BothDaemonsDieAndOneReturns_VmRunsOn) {
  Protect();
  world_.KillFtd(kA);
  world_.KillFtd(kB);
  RunFor(3 * kSecond);
  EXPECT_FALSE(Runs(kB)) << "a replaying engine without ftd";
  const uint64_t held = Answered();
  RunFor(kSecond);
  EXPECT_EQ(Answered(), held);
  world_.RestartFtd(kA);
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 2 * kSecond)) << Story();
  EXPECT_EQ(Record(), (VmRecord{"vm1", 2, "hostA"}));
}

// Both hosts lose power: the VM is lost. Whoever returns runs nothing by
// itself.
TEST_F(Scenario, BothHostsDieAndOneReturns_NothingRunsByItself) {
  Protect();
  world_.KillHost(kA);
  world_.KillHost(kB);
  RunFor(kSecond);
  world_.BootHost(kB);
  RunFor(3 * kSecond);
  EXPECT_FALSE(Runs(kA) || Runs(kB));
  EXPECT_EQ(Record(), (VmRecord{"vm1", 1, "hostA"}));
}

// hostA dies; while hostB decides, the store goes away, and then hostB
// stands still for longer than any timeout. It goes live all the same.
TEST_F(Scenario, FailureDuringFailover_IsLiveInTheEnd) {
  Protect();
  StoreIs(kB, {.unreachable = true});
  world_.KillHost(kA);
  RunFor(700 * kMs);
  StoreIs(kB, {});
  ASSERT_TRUE(Until([this] { return Record().epoch == 2; })) << Story();
  world_.FreezeHost(kB, 1900 * kMs);
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 5 * kSecond)) << Story();
}

// hostB serves after a failover and is cloning back to hostA when hostA
// dies again: hostB never notices.
TEST_F(Scenario, FailureDuringReprotection_SurvivorServesOn) {
  Protect();
  world_.KillHost(kA);
  ASSERT_TRUE(Until([this] { return Alone(kB); }, 2 * kSecond)) << Story();
  world_.BootHost(kA);
  RunFor(100 * kMs);
  Enable(kB);
  ASSERT_TRUE(Until([this] { return Runs(kA); })) << Story();
  world_.KillHost(kA);
  const uint64_t before = Answered();
  RunFor(4 * kSecond);
  EXPECT_GT(Answered(), before);
  EXPECT_TRUE(Alone(kB));
}

// And then it is protected by its former primary, and fails over again.
TEST_F(Scenario, ThereAndBack_EveryWriteSurvivesTwoFailovers) {
  Protect();
  world_.KillEngine(kA);
  ASSERT_TRUE(Until([this] { return Alone(kB); }, kSecond)) << Story();
  RunFor(100 * kMs);
  Enable(kB);
  ASSERT_TRUE(Until([this] { return Protected(kB); })) << Story();
  RunFor(500 * kMs);
  world_.KillHost(kB);
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 2 * kSecond)) << Story();
  EXPECT_EQ(Record(), (VmRecord{"vm1", 3, "hostA"}));
}

// hostB asks for the VM when it has executed the log, not before: until then
// hostA has all of it, and may go on.
TEST_F(Scenario, PlannedFailover_BackupDiesWhileItDrains_PrimaryGoesOn) {
  using Phase = PrimarySide::Phase;
  Protect();
  world_.FreezeEngine(kB, 1500 * kMs);
  RunFor(100 * kMs);
  Ftd& ftd = *world_.hosts[kA].ftd;
  ftd.Failover();
  EXPECT_TRUE(Until([&ftd] {
    return ftd.primary() != nullptr &&
           ftd.primary()->phase() == Phase::kAwaitingHandover;
  })) << Story();
  RunFor(300 * kMs);
  EXPECT_EQ(Record().epoch, 1u) << "asked before it had executed the log";
  world_.KillHost(kB);
  EXPECT_TRUE(Until([this] { return Alone(kA); }, kSecond)) << Story();
  EXPECT_EQ(Record().holder, "hostA");
}

TEST_F(Scenario, PlannedFailover_LateBackupTakesTheVmWhenItHasDrained) {
  Protect();
  world_.FreezeEngine(kB, 800 * kMs);
  RunFor(100 * kMs);
  world_.hosts[kA].ftd->Failover();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 2 * kSecond)) << Story();
  EXPECT_FALSE(Runs(kA));
}

}  // namespace
}  // namespace ft::sim
