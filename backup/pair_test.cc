// SPDX-License-Identifier: GPL-2.0-or-later
//
// Both agents against each other: every way a protection can go.
#include <gmock/gmock.h>

#include <thread>

#include "backup/pair_for_test.h"

namespace ft::backup {
namespace {

using namespace std::chrono_literals;
using Fault = fencing::MemoryTestAndSet::Fault;
using ::testing::HasSubstr;

// T=0 both sides are protected, log and acknowledgements flow.
TEST_F(PairTest, Protected_LogFlowsAndOutputsFollowAcknowledgements) {
  Protect();
  RunFor(300ms);
  const primary::PrimaryMetrics metrics = primary_->metrics();
  EXPECT_LE(metrics.released, metrics.received);
  EXPECT_LE(metrics.received, metrics.sent);
  EXPECT_LE(metrics.replayed, metrics.received);
  EXPECT_GT(metrics.log_bytes, 1000u);
  EXPECT_GT(metrics.log_mbit_per_s, 0);
  EXPECT_GT(metrics.execution_lag_ms_p99, 0);
  EXPECT_EQ(metrics.clone_pause_ms, 8);
  EXPECT_TRUE(engine_a_->ring().holding());
  EXPECT_NE(engine_a_->ring().lease_until(), logchannel::LogRing::kNoLease);
  EXPECT_GT(CheckOutputs(), 100u);
  EXPECT_EQ(Record().epoch, 1u);
}

// The primary's engine is killed. Its ftd sends the rest of the ring and
// says so; the backup is live at once, and no number is missing.
TEST_F(PairTest, PrimaryEngineDies_BackupGoesLiveWithoutAGap) {
  Protect();
  RunFor(100ms);
  engine_a_->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kVmGone);
  EXPECT_TRUE(primary_end_->handed_over);
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(backup_end_->reason, "host-failure");
  EXPECT_EQ(backup_end_->epoch, 2u);
  EXPECT_EQ(Record().holder, "hostB");
  const size_t before = OutputsOf("hostB").size();
  RunFor(100ms);
  EXPECT_GT(OutputsOf("hostB").size(), before) << "it does not run on";
  CheckOutputs();
  EXPECT_LT(backup_end_->times.total_ms, 1000);
}

// The link is cut, both sides live. The primary suspects first (400 against
// 500 ms), wins, and runs on alone; the backup halts and its engine is gone.
TEST_F(PairTest, LinkCut_PrimaryRunsOnAndBackupHalts) {
  heartbeats_ = false;
  Protect();
  CutLink();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->epoch, 2u);
  EXPECT_EQ(primary_end_->reason, "lost-connection");
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(backup_end_->reason, "fenced");
  EXPECT_THAT(backup_end_->why, HasSubstr("epoch 2 is held by hostA"));
  EXPECT_EQ(engines_gone_, 1);
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before) << "outputs are still held";
}

// As before, but the backup is the quicker one: the primary must die.
TEST_F(PairTest, LinkCut_PrimaryThatLosesIsKilled) {
  heartbeats_ = false;
  primary_options_.detector.silence = 700ms;
  backup_options_.detector.silence = 300ms;
  Protect();
  CutLink();
  ASSERT_TRUE(BothEnded());
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(primary_end_->end, primary::End::kFenced);
  EXPECT_THAT(primary_end_->why, HasSubstr("epoch 2 is held by hostB"));
  EXPECT_FALSE(Runs(engine_a_.get()));
  EXPECT_GE(backup_end_->times.detect_ms, 290);
  CheckOutputs();
}

// hostA is cut off from everything but the store, and its carrier says so:
// it leaves the VM to hostB, and halts as soon as it reads that.
TEST_F(PairTest, CarrierLost_PrimaryDoesNotContendAndHalts) {
  heartbeats_ = false;
  bool up = true;
  primary_options_.uplink_up = [&up] { return up; };
  Protect();
  up = false;
  CutLink();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(primary_end_->end, primary::End::kFenced);
  EXPECT_THAT(primary_end_->why, HasSubstr("held by hostB"));
  EXPECT_FALSE(Runs(engine_a_.get()));
  CheckOutputs();
}

// The link and the store are gone: nobody may run on, outputs are held.
// When the store is back exactly one side does.
TEST_F(PairTest, StoreUnreachable_BothWaitAndOneWinsLater) {
  heartbeats_ = false;
  Protect();
  StoreIs(Fault::kUnreachable);
  CutLink();
  RunFor(900ms);
  EXPECT_EQ(primary_->state(), primary::State::kDeciding);
  EXPECT_EQ(backup_->state(), State::kDeciding);
  const uint64_t held = CheckOutputs();
  RunFor(300ms);
  EXPECT_EQ(CheckOutputs(), held) << "an output left undecided";
  EXPECT_FALSE(primary_end_ || backup_end_);
  StoreIs(Fault::kNone);
  ASSERT_TRUE(BothEnded());
  EXPECT_NE(primary_end_->end == primary::End::kAlone,
            backup_end_->end == End::kLive);
  EXPECT_EQ(Record().epoch, 2u);
  CheckOutputs();
}

// A reply is lost after the store did what it was asked: the winner asks
// again and stays the winner.
TEST_F(PairTest, LostReply_WinnerStaysWinner) {
  Protect();
  StoreIs(Fault::kLostReply);
  engine_a_->Kill();
  RunFor(500ms);
  EXPECT_FALSE(backup_end_);
  StoreIs(Fault::kNone);
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(backup_end_->epoch, 2u);
}

TEST_F(PairTest, BackupEngineDies_PrimaryRunsOnAtOnce) {
  Protect();
  backup_->engine()->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->reason, "host-failure");
  EXPECT_EQ(backup_end_->end, End::kHalted);
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before);
  EXPECT_FALSE(engine_a_->ring().holding());
}

TEST_F(PairTest, Divergence_IsToldAndNeverGoesLive) {
  BackupWords("diverge=2000");
  Protect();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->reason, "divergence");
  EXPECT_THAT(primary_end_->why, HasSubstr("expected 2000"));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(backup_end_->reason, "divergence");
  EXPECT_EQ(logs_kept_, 1);
  EXPECT_EQ(Record().holder, "hostA");
}

TEST_F(PairTest, PlannedFailover_MovesTheVm) {
  Protect();
  const Status moved = Await(primary_->Failover());
  EXPECT_TRUE(moved.ok()) << moved.ToString();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kMoved);
  EXPECT_FALSE(Runs(engine_a_.get()));
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(backup_end_->reason, "user-action");
  EXPECT_EQ(Record().holder, "hostB");
  RunFor(50ms);
  CheckOutputs();
}

TEST_F(PairTest, PlannedFailover_RefusedWhileTheStoreIsGone) {
  Protect();
  StoreIs(Fault::kUnreachable);
  const Status moved = Await(primary_->Failover());
  EXPECT_FALSE(moved.ok());
  StoreIs(Fault::kNone);
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before) << "the VM does not run on";
}

TEST_F(PairTest, PlannedFailover_BackupWithoutCarrierRefusesAndVmRunsOn) {
  backup_options_.uplink_up = [] { return false; };
  Protect();
  const Status moved = Await(primary_->Failover());
  EXPECT_THAT(moved.message(), HasSubstr("no carrier"));
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before);
}

// It asks for the VM when it has executed the log, not before: as long as
// hostA can have its VM back nobody else does.
TEST_F(PairTest, PlannedFailover_BackupThatExecutesNothingRefuses) {
  backup_options_.handover_drain_timeout = 300ms;
  Protect();
  kill(backup_->engine()->process().pid(), SIGSTOP);
  RunFor(50ms);
  const Status moved = Await(primary_->Failover());
  EXPECT_THAT(moved.message(), HasSubstr("did not execute the log"));
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  EXPECT_EQ(Record().epoch, 1u);
  kill(backup_->engine()->process().pid(), SIGCONT);
  const uint64_t before = CheckOutputs();
  RunFor(200ms);
  EXPECT_GT(CheckOutputs(), before) << "the VM does not run on";
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
}

TEST_F(PairTest, PlannedFailover_BackupThatDiesWhileItDrainsLosesNothing) {
  primary_options_.farewell_timeout = 3s;
  Protect();
  kill(backup_->engine()->process().pid(), SIGSTOP);
  RunFor(50ms);
  Status moved;
  boost::asio::co_spawn(
      io_, primary_->Failover(),
      [&](std::exception_ptr, Status status) { moved = std::move(status); });
  RunFor(200ms);
  ASSERT_EQ(primary_->state(), primary::State::kHandingOver);
  backup_->engine()->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_FALSE(moved.ok());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone) << primary_end_->why;
  EXPECT_EQ(Record().holder, "hostA");
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before) << "the VM does not run on";
}

TEST_F(PairTest, Disable_ByeNeverContends) {
  Protect();
  primary_->Disable("test");
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kDisabled);
  EXPECT_EQ(primary_end_->epoch, 1u);
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(backup_end_->reason, "user-action");
  EXPECT_EQ(Record().epoch, 1u) << "somebody contended";
  EXPECT_FALSE(engine_a_->ring().holding());
}

// The Bye cannot arrive: outputs may leave only at the next epoch.
TEST_F(PairTest, Disable_WithoutAnswerTakesTheNextEpochFirst) {
  heartbeats_ = false;
  backup_options_.detector.silence = 3000ms;
  Protect();
  CutLink();
  primary_->Disable("test");
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kDisabled);
  EXPECT_EQ(primary_end_->epoch, 2u);
  EXPECT_EQ(backup_end_->reason, "fenced");
}

TEST_F(PairTest, OtherEngineBuild_IsRefusedAndTheVmIsUntouched) {
  BackupWords("build=another");
  StartVm();
  Enable();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kNotStarted);
  EXPECT_THAT(primary_end_->status.message(), HasSubstr("build another"));
  EXPECT_FALSE(primary_end_->status.remedy().empty());
  EXPECT_EQ(backup_end_->end, End::kRefused);
  EXPECT_EQ(engines_gone_, 1);
  EXPECT_EQ(engine_a_->ring().log_mode(), logchannel::LogMode::kDiscard);
  EXPECT_TRUE(Runs(engine_a_.get()));
}

TEST_F(PairTest, BackupThatRunsTheVmRefuses) {
  live_here_ = true;
  StartVm();
  Enable();
  ASSERT_TRUE(BothEnded());
  EXPECT_THAT(primary_end_->status.message(),
              HasSubstr("vm1 already runs on hostB"));
}

TEST_F(PairTest, UnreachableBackup_IsOneClearLine) {
  StartVm();
  primary_options_.peer_log_port = 1;
  Enable();
  ASSERT_TRUE(RunUntil([this] { return primary_end_.has_value(); }));
  EXPECT_EQ(primary_end_->end, primary::End::kNotStarted);
  EXPECT_THAT(primary_end_->status.message(), HasSubstr("hostB"));
  EXPECT_TRUE(Runs(engine_a_.get()));
}

// The link is cut while the backup still catches up. It must not contend,
// though it is alone: outputs left that it cannot explain.
TEST_F(PairTest, NotEntitled_NeverContends) {
  heartbeats_ = false;
  Words("burst=20");
  BackupWords("slow=1");
  StartVm();
  Enable();
  ASSERT_TRUE(
      RunUntil([this] { return primary_->metrics().received > 100000; }));
  ASSERT_EQ(backup_->state(), State::kStarting);
  CutLink();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kNotStarted);
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_THAT(backup_end_->why, HasSubstr("not yet a complete backup"));
  EXPECT_EQ(Record().epoch, 1u) << "somebody contended";
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before);
}

// The backup's engine stands still while the primary records 20 MB a second
// into a ring of one: everything fills up, nothing is lost or cut.
TEST_F(PairTest, SlowBackup_ThrottlesThePrimary) {
  Words("burst=5 size=4000");
  backup_options_.engine_watchdog.silence = 60s;
  Protect();
  RunFor(50ms);
  kill(backup_->engine()->process().pid(), SIGSTOP);
  ASSERT_TRUE(RunUntil([this] {
    const auto& ring = engine_a_->ring();
    return ring.committed() - ring.acknowledged() > ring.data_size() - 5000;
  }));
  const uint64_t stuck = engine_a_->ring().committed();
  RunFor(100ms);
  EXPECT_LT(engine_a_->ring().committed(), stuck + 5000) << "not throttled";
  EXPECT_FALSE(primary_end_);
  kill(backup_->engine()->process().pid(), SIGCONT);
  ASSERT_TRUE(
      RunUntil([&] { return primary_->metrics().replayed > stuck + 100000; }));
  engine_a_->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->end, End::kLive);
  CheckOutputs();
}

// --- Compression.

TEST_F(PairTest, Compression_SavesBytesAndChangesNothing) {
  Words("size=200");
  Protect();
  RunFor(500ms);
  const primary::PrimaryMetrics metrics = primary_->metrics();
  EXPECT_LT(metrics.wire_bytes, metrics.log_bytes / 2);
  EXPECT_LT(metrics.wire_mbit_per_s, metrics.log_mbit_per_s / 2);
  EXPECT_EQ(backup_->metrics().received, primary_->metrics().received);
  engine_a_->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->end, End::kLive);
  RunFor(50ms);
  CheckOutputs();
}

TEST_F(PairTest, Compression_OnlyIfBothWantIt) {
  Words("size=200");
  backup_options_.compression = false;
  Protect();
  RunFor(200ms);
  EXPECT_GT(primary_->metrics().wire_bytes, primary_->metrics().log_bytes);
}

// As one of an older release, that knows nothing of it.
TEST_F(PairTest, Compression_IsNotOfferedByAPrimaryThatDoesNotWantIt) {
  Words("size=200");
  primary_options_.compression = false;
  Protect();
  RunFor(200ms);
  EXPECT_EQ(backup_->hello().compression_size(), 0);
  EXPECT_GT(primary_->metrics().wire_bytes, primary_->metrics().log_bytes);
}

// --- An engine that is stopped alone.

TEST_F(PairTest, StoppedEngine_IsEndedAndTheBackupTakesOver) {
  primary_options_.engine_watchdog.silence = 400ms;
  Protect();
  RunFor(100ms);
  kill(engine_a_->process().pid(), SIGSTOP);
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kVmGone);
  EXPECT_TRUE(primary_end_->handed_over);
  EXPECT_EQ(primary_end_->reason, "host-failure");
  EXPECT_THAT(primary_end_->why, HasSubstr("no sign of life for 400 ms"));
  EXPECT_FALSE(Runs(engine_a_.get()));
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_THAT(backup_end_->why, HasSubstr("no sign of life for 400 ms"));
  EXPECT_EQ(Record().holder, "hostB");
  RunFor(50ms);
  CheckOutputs();
}

TEST_F(PairTest, StoppedEngine_ForAMomentStaysProtected) {
  primary_options_.engine_watchdog.silence = 1000ms;
  Protect();
  kill(engine_a_->process().pid(), SIGSTOP);
  RunFor(300ms);
  kill(engine_a_->process().pid(), SIGCONT);
  RunFor(1200ms);
  EXPECT_FALSE(primary_end_);
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  EXPECT_EQ(Record().epoch, 1u);
}

// Nothing moves in the ring; both engines are asked, and answer.
TEST_F(PairTest, IdleGuest_IsNotAccused) {
  Words("burst=0");
  primary_options_.engine_watchdog.silence = 400ms;
  backup_options_.engine_watchdog.silence = 400ms;
  Protect();
  const uint64_t committed = engine_a_->ring().committed();
  RunFor(1500ms);
  EXPECT_EQ(engine_a_->ring().committed(), committed) << "it is not idle";
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  EXPECT_EQ(backup_->state(), State::kProtected);
}

// Both ftds stand still, here by not running the loop. Idle engines gave no
// sign in that time, and nobody was there to take one.
TEST_F(PairTest, PauseOfFtdAccusesNoEngine) {
  Words("burst=0");
  primary_options_.engine_watchdog.silence = 400ms;
  backup_options_.engine_watchdog.silence = 400ms;
  Protect();
  std::this_thread::sleep_for(1200ms);
  RunFor(500ms);
  EXPECT_EQ(primary_->state(), primary::State::kProtected);
  EXPECT_EQ(backup_->state(), State::kProtected);
  EXPECT_TRUE(Runs(engine_a_.get()));
}

TEST_F(PairTest, StoppedBackupEngine_IsGivenUpByItsOwnHost) {
  backup_options_.engine_watchdog.silence = 400ms;
  Protect();
  kill(backup_->engine()->process().pid(), SIGSTOP);
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->reason, "host-failure");
  EXPECT_THAT(primary_end_->why, HasSubstr("no sign of life for 400 ms"));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(Record().epoch, 1u) << "a Bye needs no test-and-set";
  const uint64_t before = CheckOutputs();
  RunFor(100ms);
  EXPECT_GT(CheckOutputs(), before);
}

// A backup at half its primary's speed: the primary is slowed down to it.
// Left alone it would be half a second further behind after each second.
TEST_F(PairTest, SlowBackup_SetsThePace) {
  Words("burst=4 size=100");
  BackupWords("slow=2");
  Protect();
  RunFor(2s);
  EXPECT_LT(primary_->metrics().execution_lag_ms_p50, 300);
  EXPECT_FALSE(primary_end_);
}

// All is received, nothing is executed: such a backup is none.
TEST_F(PairTest, BackupThatOnlyReceives_IsGivenUp) {
  primary_options_.stall_timeout = 300ms;
  Words("burst=1");
  Protect();
  kill(backup_->engine()->process().pid(), SIGSTOP);
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->reason, "lag");
  EXPECT_EQ(backup_end_->reason, "fenced");
}

TEST_F(PairTest, BackupWithoutProgress_IsGivenUp) {
  primary_options_.stall_timeout = 300ms;
  Words("burst=5 size=4000");
  Protect();
  kill(backup_->engine()->process().pid(), SIGSTOP);
  ASSERT_TRUE(RunUntil([this] { return primary_end_.has_value(); }));
  EXPECT_EQ(primary_end_->end, primary::End::kAlone);
  EXPECT_EQ(primary_end_->reason, "lag");
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->reason, "fenced");
}

TEST_F(PairTest, GuestPowersOff_NobodyTakesOver) {
  Words("off=1500");
  Protect();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kVmGone);
  EXPECT_TRUE(primary_end_->guest_shutdown);
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(Record().epoch, 1u);
}

}  // namespace
}  // namespace ft::backup
