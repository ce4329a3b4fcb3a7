// SPDX-License-Identifier: GPL-2.0-or-later
//
// Recover(): an ftd that died and came back to a live engine.
#include <gmock/gmock.h>

#include "primary/agent_bed_for_test.h"

namespace ft::primary {
namespace {

using namespace std::chrono_literals;
using boost::asio::awaitable;
using ::testing::HasSubstr;
using Fault = fencing::MemoryTestAndSet::Fault;

class RecoverTest : public AgentBed {
 protected:
  // What the former ftd left behind: outputs held, nobody acknowledging.
  void LeaveProtected() {
    Play([this]() -> awaitable<void> {
      auto clone = co_await engine_->Clone("127.0.0.1", CloneSink());
      EXPECT_TRUE(clone.ok()) << clone.status().ToString();
      auto position = co_await engine_->Protect();
      EXPECT_TRUE(position.ok());
    });
  }
  void BeginRecovery() {
    boost::asio::co_spawn(
        io_,
        Recover(*engine_, *store_, *this,
                {.vm = "vm1", .host = "hostA", .epoch = known_epoch_}),
        [this](std::exception_ptr error, Outcome outcome) {
          if (error) std::rethrow_exception(error);
          outcome_ = std::move(outcome);
        });
  }
  void RecoverNow() {
    BeginRecovery();
    ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  }
  uint64_t known_epoch_ = 0;
  std::optional<Outcome> outcome_;
};

TEST_F(RecoverTest, RecordStillMine_TakesTheNextEpochAndRunsOn) {
  LeaveProtected();
  RunFor(50ms);
  const size_t held = Outputs();
  RunFor(50ms);
  EXPECT_EQ(Outputs(), held) << "outputs were not held";
  RecoverNow();
  EXPECT_EQ(outcome_->end, End::kAlone);
  EXPECT_EQ(outcome_->epoch, 2u);
  EXPECT_EQ(Record().epoch, 2u);
  EXPECT_FALSE(engine_->ring().holding());
  RunFor(50ms);
  EXPECT_GT(Outputs(), held);
}

TEST_F(RecoverTest, BackupHasTakenOver_EngineIsKilled) {
  LeaveProtected();
  RunFor(50ms);
  const size_t held = Outputs();
  (void)memory_->Acquire("vm1", 1, "hostB");
  RecoverNow();
  EXPECT_EQ(outcome_->end, End::kFenced);
  EXPECT_THAT(outcome_->why, HasSubstr("epoch 2 is held by hostB"));
  EXPECT_FALSE(engine_->running());
  EXPECT_EQ(Outputs(), held) << "an output left a fenced host";
}

TEST_F(RecoverTest, NoRecordAtAll_EngineIsKilled) {
  LeaveProtected();
  memory_ = std::make_shared<fencing::MemoryTestAndSet>();
  store_ = std::make_unique<fencing::AsyncTestAndSet>(memory_);
  RecoverNow();
  EXPECT_EQ(outcome_->end, End::kFenced);
  EXPECT_FALSE(engine_->running());
}

TEST_F(RecoverTest, StoreUnreachable_WaitsAndHolds) {
  LeaveProtected();
  memory_->SetFault(Fault::kUnreachable);
  RunFor(50ms);
  const size_t held = Outputs();
  BeginRecovery();
  RunFor(700ms);
  EXPECT_FALSE(outcome_);
  EXPECT_EQ(Outputs(), held);
  memory_->SetFault(Fault::kNone);
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kAlone);
}

// An empty directory where the store was to be mounted, or an old copy of it.
TEST_F(RecoverTest, StoreOfAnotherTime_WaitsAndHolds) {
  known_epoch_ = 1;
  LeaveProtected();
  memory_ = std::make_shared<fencing::MemoryTestAndSet>();
  store_ = std::make_unique<fencing::AsyncTestAndSet>(memory_);
  RunFor(50ms);
  const size_t held = Outputs();
  BeginRecovery();
  RunFor(700ms);
  EXPECT_FALSE(outcome_);
  EXPECT_TRUE(engine_->running());
  EXPECT_EQ(Outputs(), held);
  // It is mounted.
  (void)memory_->Acquire("vm1", 0, "hostA");
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kAlone);
  EXPECT_EQ(outcome_->epoch, 2u);
}

// ftd was away for longer than the engine waits for its beat.
TEST_F(RecoverTest, OrphanedGuestResumes) {
  LeaveProtected();
  RunFor(2300ms);
  const size_t held = Outputs();
  RecoverNow();
  EXPECT_EQ(outcome_->end, End::kAlone);
  RunFor(50ms);
  EXPECT_GT(Outputs(), held) << "the guest stands still";
}

TEST_F(RecoverTest, UnprotectedVmKeepsItsEpoch) {
  RecoverNow();
  EXPECT_EQ(outcome_->end, End::kAlone);
  EXPECT_EQ(outcome_->epoch, 1u);
  EXPECT_EQ(Record().epoch, 1u);
}

}  // namespace
}  // namespace ft::primary
