// SPDX-License-Identifier: GPL-2.0-or-later
//
// The paused primary: what stops and goes on after the backup went live
// sends nothing any more, and halts by itself. That no stale output leaves is
// an invariant (I1), checked at every step; fencing/output_lease.h is why.
#include "fencing/output_lease.h"
#include "tests/scenario/stage.h"

namespace ft::sim {
namespace {

class PausedPrimary : public Stage {
 protected:
  void ExpectFailoverAndHalt() {
    EXPECT_TRUE(Until([this] { return Alone(kB); }, 2 * kSecond)) << Story();
    EXPECT_TRUE(Until([this] { return !Runs(kA); }, 6 * kSecond)) << Story();
    EXPECT_EQ(Record().holder, "hostB");
  }
};

TEST_F(PausedPrimary, WholeHostStandsStill) {
  Protect();
  world_.FreezeHost(kA, 4 * kSecond);
  ExpectFailoverAndHalt();
}

TEST_F(PausedPrimary, FtdAndEngineStandStill) {
  Protect();
  FreezeEverything(kA, 4 * kSecond);
  ExpectFailoverAndHalt();
}

// The engine runs on, mute, and pauses after 2 s. Acknowledgements wait in
// ftd's socket: when it reads them they are too old to let anything go.
TEST_F(PausedPrimary, FtdAloneStandsStill) {
  Protect();
  world_.FreezeFtd(kA, 4 * kSecond);
  ExpectFailoverAndHalt();
}

// ftd lives, so hostB hears it and suspects nobody. ftd sees its engine give no
// sign of life, ends it, and says so.
TEST_F(PausedPrimary, EngineAloneStandsStill) {
  Protect();
  world_.FreezeEngine(kA, 4 * kSecond);
  RunFor(1900 * kMs);
  EXPECT_TRUE(Protected(kA)) << Story();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 300 * kMs)) << Story();
  EXPECT_FALSE(Runs(kA));
  EXPECT_EQ(Record().holder, "hostB");
}

TEST_F(PausedPrimary, EngineAloneStandsStillForAMoment) {
  Protect();
  world_.FreezeEngine(kA, 1500 * kMs);
  RunFor(1600 * kMs);
  const uint64_t before = Answered();
  RunFor(500 * kMs);
  EXPECT_TRUE(Protected(kA)) << Story();
  EXPECT_GT(Answered(), before);
  EXPECT_EQ(Record().epoch, 1u);
}

// No signal ends it. hostA hangs up and says no more; hostB waits the lease
// out; the engine ends when it wakes, and sends nothing.
TEST_F(PausedPrimary, EngineThatCannotBeEnded) {
  Protect();
  world_.FreezeEngine(kA, 6 * kSecond, true);
  // 2 s of silence, 1 s for the SIGKILL, the lease, and beats in between.
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 3400 * kMs)) << Story();
  EXPECT_TRUE(Runs(kA));
  EXPECT_TRUE(Until([this] { return !Runs(kA); }, 4 * kSecond)) << Story();
  EXPECT_EQ(Record().holder, "hostB");
}

// Given up as a primary's is, long before it would be for want of progress.
TEST_F(PausedPrimary, BackupsEngineAloneStandsStill) {
  Protect();
  world_.FreezeEngine(kB, 4 * kSecond);
  RunFor(1900 * kMs);
  EXPECT_TRUE(Protected(kA)) << Story();
  EXPECT_TRUE(Until([this] { return Alone(kA); }, 300 * kMs)) << Story();
  EXPECT_EQ(Record().epoch, 1u) << "a Bye needs no test-and-set";
}

// The stopped engine is all that is left of the VM: it is not given up while
// its primary is not heard, and lives when it goes on.
TEST_F(PausedPrimary, BackupsEngineStandsStillWhenThePrimaryDies) {
  Protect();
  world_.FreezeEngine(kB, 4 * kSecond);
  RunFor(1700 * kMs);
  world_.KillHost(kA);
  EXPECT_TRUE(Until([this] { return Alone(kB); }, 3 * kSecond)) << Story();
}

// The engine is stopped while outputs wait for an acknowledgement that is
// on its way. It comes; ftd dies, so hostB knows at once. Only the lease
// keeps hostB from living before those outputs have lost their right.
TEST_F(PausedPrimary, EngineStopsThenFtdDies_BackupWaitsTheLeaseOut) {
  Protect();
  world_.FreezeEngine(kA, 60 * kMs);
  RunFor(2 * kMs);
  world_.KillFtd(kA);
  const Time killed = world_.now();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, kSecond)) << Story();
  const Time blackout = world_.now() - killed;
  EXPECT_LE(blackout, 150 * kMs) << "the bar";
  RunFor(kSecond);
  world_.RestartFtd(kA);
  EXPECT_TRUE(Until([this] { return !Runs(kA); }, 2 * kSecond)) << Story();
}

// A primary whose engine ended, or that hands over, can release nothing:
// nobody waits for it.
TEST_F(PausedPrimary, NobodyWaitsForAPrimaryThatIsKnownToBeDead) {
  Protect();
  world_.KillEngine(kA);
  const Time killed = world_.now();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, kSecond)) << Story();
  EXPECT_LE(world_.now() - killed, 30 * kMs);
}

TEST_F(PausedPrimary, NobodyWaitsInAPlannedFailover) {
  Protect();
  world_.hosts[kA].ftd->Failover();
  const Time asked = world_.now();
  EXPECT_TRUE(Until([this] { return Alone(kB); }, kSecond)) << Story();
  EXPECT_LE(world_.now() - asked, 40 * kMs);
}

}  // namespace
}  // namespace ft::sim
