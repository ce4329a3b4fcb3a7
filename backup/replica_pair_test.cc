// SPDX-License-Identifier: GPL-2.0-or-later
//
// Both agents and a VM with a private disk: what a clone that takes its time
// may and may not do. The engines only tell of a replica; nothing is copied.
#include <gmock/gmock.h>

#include <filesystem>

#include "backup/pair_for_test.h"

namespace ft::backup {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr uint64_t kDiskBytes = 5u << 20;

class ReplicaPairTest : public PairTest {
 protected:
  void SetUp() override {
    PairTest::SetUp();
    GivePrivateDisk(kDiskBytes);
  }
  // The clone is on its way, and some of the disk with it.
  void BeginCopy() {
    StartVm();
    Enable();
    ASSERT_TRUE(RunUntil([this] {
      const auto replicas = primary_->metrics().replicas;
      return !replicas.empty() && replicas[0].sent > 0;
    }));
  }
  bool HasScratch() const {
    return std::filesystem::exists(directory_ + "/vm1.replicas");
  }
};

TEST_F(ReplicaPairTest, IsReadAndCopiedAndThenProtected) {
  Words("copy=50");
  Protect();
  ASSERT_EQ(replicas_.size(), 1u);
  EXPECT_EQ(replicas_[0].bytes, kDiskBytes);
  for (const auto& replicas :
       {primary_->metrics().replicas, backup_->metrics().replicas}) {
    ASSERT_EQ(replicas.size(), 1u);
    EXPECT_TRUE(replicas[0].complete()) << Describe(replicas[0]);
    EXPECT_GT(replicas[0].sent, 0u);
  }
  EXPECT_THAT(story_, Contains(HasSubstr("hostB reads its replica of " +
                                         vm_.disks[0].path + ", 5.0 MiB")));
  EXPECT_THAT(story_, Contains(HasSubstr("100 %, 5.0 of 5.0 MiB, 2.")));
  EXPECT_FALSE(HasScratch());
  CheckOutputs();
}

// Neither side's patience is as long as the copy takes; it gets further.
TEST_F(ReplicaPairTest, CopyMayTakeLongerThanAnyTimeout) {
  Words("copy=3500");
  primary_options_.clone_timeout = 200ms;
  backup_options_.clone_timeout = 2000ms;
  Protect();
}

TEST_F(ReplicaPairTest, CopyThatStandsStillIsGivenUp) {
  Words("copy=1000000 silent=1");
  primary_options_.clone_timeout = 200ms;
  StartVm();
  Enable();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kNotStarted);
  EXPECT_THAT(primary_end_->status.message(),
              HasSubstr("the clone to hostB failed"));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_FALSE(HasScratch());
}

TEST_F(ReplicaPairTest, OperatorThinksBetterOfIt) {
  Words("copy=1000000");
  BeginCopy();
  primary_->Disable("changed my mind");
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kDisabled);
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_TRUE(Runs(engine_a_.get()));
  EXPECT_EQ(engine_a_->ring().log_mode(), logchannel::LogMode::kDiscard);
  EXPECT_FALSE(HasScratch());
}

// The replica is half of one disk and half of another: such a backup never
// asks for the VM, whatever becomes of the primary.
TEST_F(ReplicaPairTest, PrimaryDiesMeanwhile_BackupNeverAsks) {
  Words("copy=1000000");
  BeginCopy();
  engine_a_->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kVmGone);
  EXPECT_FALSE(primary_end_->handed_over);
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(backup_end_->reason, "initializing");
  EXPECT_EQ(Record().epoch, 1u);
  EXPECT_EQ(Record().holder, "hostA");
}

// As before, and nobody says anything: hostA has lost its power.
TEST_F(ReplicaPairTest, PrimarysHostDiesMeanwhile_BackupNeverAsks) {
  heartbeats_ = false;
  Words("copy=1000000");
  BeginCopy();
  CutLink();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(backup_end_->reason, "initializing");
  EXPECT_THAT(backup_end_->why, HasSubstr("not yet a complete backup"));
  EXPECT_EQ(Record().epoch, 1u);
}

TEST_F(ReplicaPairTest, BackupDiesMeanwhile_VmRunsOn) {
  Words("copy=1000000");
  BeginCopy();
  backup_->engine()->Kill();
  ASSERT_TRUE(BothEnded());
  EXPECT_EQ(primary_end_->end, primary::End::kNotStarted);
  EXPECT_THAT(primary_end_->status.message(), HasSubstr("hostB gave up"));
  EXPECT_TRUE(Runs(engine_a_.get()));
  EXPECT_EQ(Record().epoch, 1u);
}

}  // namespace
}  // namespace ft::backup
