// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set_conformance.h"

#include "fencing/test_and_set_race.h"
#include "logchannel/check.h"

namespace ft::fencing {

void StoreUnderTest::Damage(const std::string&) { FT_CHECK(false) << "no"; }
void StoreUnderTest::Vanish() { FT_CHECK(false) << "no"; }
void StoreUnderTest::Return() { FT_CHECK(false) << "no"; }

namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TestAndSetConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedStoreConformance);

void ExpectAcquired(const TestAndSetAnswer& answer, const VmRecord& record) {
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kAcquired)
      << answer.error.ToString();
  EXPECT_EQ(answer.record, record);
  EXPECT_TRUE(answer.error.ok());
}

void ExpectHeld(const TestAndSetAnswer& answer, const VmRecord& record) {
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kHeldByPeer)
      << answer.error.ToString();
  EXPECT_EQ(answer.record, record);
  EXPECT_FALSE(answer.error.ok());
}

void ExpectUnreachable(const TestAndSetAnswer& answer) {
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kUnreachable);
  EXPECT_EQ(answer.record, std::nullopt);
  EXPECT_FALSE(answer.error.ok());
}

void ExpectRecord(TestAndSet& store, const std::optional<VmRecord>& record,
                  const std::string& vm = "vm1") {
  const auto read = store.Read(vm);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(*read, record);
}

TEST_P(TestAndSetConformance, Read_UnknownVmHasNoRecord) {
  ExpectRecord(*a_, std::nullopt);
}

TEST_P(TestAndSetConformance, Acquire_FirstTakerCreatesEpochOne) {
  ExpectAcquired(a_->Acquire("vm1", 0, "hostA"), {"vm1", 1, "hostA"});
  ExpectRecord(*b_, VmRecord{"vm1", 1, "hostA"});
}

TEST_P(TestAndSetConformance, Acquire_SecondTakerIsToldWhoHoldsIt) {
  a_->Acquire("vm1", 0, "hostA");
  ExpectAcquired(b_->Acquire("vm1", 1, "hostB"), {"vm1", 2, "hostB"});
  ExpectHeld(a_->Acquire("vm1", 1, "hostA"), {"vm1", 2, "hostB"});
  ExpectHeld(a_->Acquire("vm1", 0, "hostC"), {"vm1", 2, "hostB"});
  ExpectRecord(*a_, VmRecord{"vm1", 2, "hostB"});
}

TEST_P(TestAndSetConformance, Acquire_HolderMayTakeTheNextEpochItself) {
  a_->Acquire("vm1", 0, "hostA");
  ExpectAcquired(a_->Acquire("vm1", 1, "hostA"), {"vm1", 2, "hostA"});
  ExpectHeld(b_->Acquire("vm1", 1, "hostB"), {"vm1", 2, "hostA"});
}

// The reply was lost, or the host restarted before it came: it asks again,
// perhaps over a new handle, and again.
TEST_P(TestAndSetConformance, Acquire_LostReplyDoesNotMakeALoserOfTheWinner) {
  a_->Acquire("vm1", 0, "hostA");
  b_->Acquire("vm1", 1, "hostB");
  ExpectHeld(a_->Acquire("vm1", 1, "hostA"), {"vm1", 2, "hostB"});
  for (int i = 0; i < 3; ++i) {
    ExpectAcquired(b_->Acquire("vm1", 1, "hostB"), {"vm1", 2, "hostB"});
    b_ = under_test_->Open();
  }
  ExpectHeld(a_->Acquire("vm1", 1, "hostA"), {"vm1", 2, "hostB"});
}

TEST_P(TestAndSetConformance, Acquire_OldWinnerLearnsThatTheRecordMovedOn) {
  a_->Acquire("vm1", 0, "hostA");
  b_->Acquire("vm1", 1, "hostB");
  b_->Acquire("vm1", 2, "hostB");
  ExpectHeld(a_->Acquire("vm1", 0, "hostA"), {"vm1", 3, "hostB"});
  ExpectHeld(b_->Acquire("vm1", 1, "hostB"), {"vm1", 3, "hostB"});
}

TEST_P(TestAndSetConformance, Acquire_StoreOlderThanTheEpochIsUnreachable) {
  ExpectUnreachable(a_->Acquire("vm1", 3, "hostA"));
  a_->Acquire("vm1", 0, "hostA");
  ExpectUnreachable(a_->Acquire("vm1", 3, "hostA"));
  ExpectRecord(*a_, VmRecord{"vm1", 1, "hostA"});
}

TEST_P(TestAndSetConformance, Release_LetsAnotherHostStartTheVm) {
  a_->Acquire("vm1", 0, "hostA");
  EXPECT_TRUE(a_->Release("vm1", 1, "hostA").ok());
  ExpectRecord(*b_, VmRecord{"vm1", 2, ""});
  ExpectAcquired(b_->Acquire("vm1", 2, "hostB"), {"vm1", 3, "hostB"});
  ExpectHeld(a_->Acquire("vm1", 2, "hostA"), {"vm1", 3, "hostB"});
}

TEST_P(TestAndSetConformance, Release_MayBeRepeatedWhenTheReplyWasLost) {
  a_->Acquire("vm1", 0, "hostA");
  EXPECT_TRUE(a_->Release("vm1", 1, "hostA").ok());
  EXPECT_TRUE(a_->Release("vm1", 1, "hostA").ok());
  ExpectRecord(*a_, VmRecord{"vm1", 2, ""});
}

TEST_P(TestAndSetConformance, Release_OfWhatIsNotOursChangesNothing) {
  EXPECT_EQ(a_->Release("vm1", 1, "hostA").code(), Code::kInvalid);
  a_->Acquire("vm1", 0, "hostA");
  EXPECT_EQ(b_->Release("vm1", 1, "hostB").code(), Code::kInvalid);
  EXPECT_EQ(a_->Release("vm1", 2, "hostA").code(), Code::kInvalid);
  b_->Acquire("vm1", 1, "hostB");
  EXPECT_EQ(a_->Release("vm1", 1, "hostA").code(), Code::kInvalid);
  ExpectRecord(*a_, VmRecord{"vm1", 2, "hostB"});
}

TEST_P(TestAndSetConformance, Release_EndsTheRightOfTheLateContender) {
  a_->Acquire("vm1", 0, "hostA");
  EXPECT_TRUE(a_->Release("vm1", 1, "hostA").ok());
  ExpectHeld(b_->Acquire("vm1", 1, "hostB"), {"vm1", 2, ""});
}

TEST_P(TestAndSetConformance, Names_PathTricksAreRefused) {
  for (const char* name : {"", "..", "../vm1", "/vm1", "a/b", ".vm1", "a\nb"}) {
    EXPECT_EQ(a_->Read(name).status().code(), Code::kInvalid) << name;
    for (const auto& answer :
         {a_->Acquire(name, 0, "hostA"), a_->Acquire("vm1", 0, name)}) {
      ExpectUnreachable(answer);
      EXPECT_EQ(answer.error.code(), Code::kInvalid) << name;
    }
    EXPECT_EQ(a_->Release(name, 1, "hostA").code(), Code::kInvalid) << name;
    EXPECT_EQ(a_->Release("vm1", 1, name).code(), Code::kInvalid) << name;
  }
  ExpectRecord(*a_, std::nullopt);
}

TEST_P(TestAndSetConformance, Records_OfSimilarlyNamedVmsAreApart) {
  const char* const vms[] = {"vm1",   "vm",  "vm10",
                             "vm1.a", "VM1", "vm1.00000000000000000001"};
  uint64_t epoch = 0;
  for (const char* vm : vms) {
    ++epoch;
    for (uint64_t e = 0; e < epoch; ++e) a_->Acquire(vm, e, "hostA");
  }
  epoch = 0;
  for (const char* vm : vms) {
    ExpectRecord(*b_, VmRecord{vm, ++epoch, "hostA"}, vm);
  }
}

TEST_P(TestAndSetConformance, Epochs_GoOnThroughManyChanges) {
  for (uint64_t epoch = 0; epoch < 40; ++epoch) {
    const std::string host = epoch % 3 ? "hostA" : "hostB";
    ExpectAcquired(a_->Acquire("vm1", epoch, host), {"vm1", epoch + 1, host});
  }
  ExpectHeld(b_->Acquire("vm1", 3, "hostC"), {"vm1", 40, "hostB"});
}

void ExpectOneWinnerEach(const RaceResult& result, int rounds) {
  EXPECT_EQ(result.won, rounds);
  EXPECT_EQ(result.split, 0) << "split-brain";
  EXPECT_EQ(result.unwon, 0);
  EXPECT_EQ(result.misnamed, 0);
  EXPECT_EQ(result.unreachable, 0);
}

TEST_P(TestAndSetConformance, Race_OfTwoThreadsHasOneWinner) {
  const auto open = [this] { return under_test_->Open(); };
  ExpectOneWinnerEach(Race(open, "vm1", {.contenders = 2, .rounds = 2000}),
                      2000);
}

TEST_P(TestAndSetConformance, Race_OfEightThreadsHasOneWinner) {
  const auto open = [this] { return under_test_->Open(); };
  ExpectOneWinnerEach(Race(open, "vm1", {.contenders = 8, .rounds = 1000}),
                      1000);
}

TEST_P(SharedStoreConformance, Race_OfTwoProcessesHasOneWinner) {
  const auto open = [this] { return under_test_->Open(); };
  ExpectOneWinnerEach(
      Race(open, "vm1", {.contenders = 2, .rounds = 2000, .processes = true}),
      2000);
}

TEST_P(SharedStoreConformance, Race_OfEightProcessesHasOneWinner) {
  const auto open = [this] { return under_test_->Open(); };
  ExpectOneWinnerEach(
      Race(open, "vm1", {.contenders = 8, .rounds = 1000, .processes = true}),
      1000);
}

TEST_P(SharedStoreConformance, Damage_IsUnreachableAndNeverGuessed) {
  a_->Acquire("vm1", 0, "hostA");
  a_->Acquire("vm1", 1, "hostA");
  under_test_->Damage("vm1");
  const auto read = b_->Read("vm1");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.status().code(), Code::kUnavailable);
  EXPECT_NE(read.status().message().find("vm1"), std::string::npos);
  EXPECT_NE(read.status().remedy(), "");
  for (uint64_t epoch : {0, 1, 2, 3}) {
    ExpectUnreachable(a_->Acquire("vm1", epoch, "hostA"));
    ExpectUnreachable(b_->Acquire("vm1", epoch, "hostB"));
    EXPECT_EQ(a_->Release("vm1", epoch, "hostA").code(), Code::kUnavailable);
  }
  ExpectAcquired(a_->Acquire("vm2", 0, "hostA"), {"vm2", 1, "hostA"});
}

TEST_P(SharedStoreConformance, Vanished_IsUnreachableUntilItReturns) {
  a_->Acquire("vm1", 0, "hostA");
  under_test_->Vanish();
  EXPECT_EQ(a_->Read("vm1").status().code(), Code::kUnavailable);
  ExpectUnreachable(b_->Acquire("vm1", 1, "hostB"));
  ExpectUnreachable(b_->Acquire("vm1", 0, "hostB"));
  EXPECT_EQ(a_->Release("vm1", 1, "hostA").code(), Code::kUnavailable);
  under_test_->Return();
  ExpectRecord(*a_, VmRecord{"vm1", 1, "hostA"});
  ExpectAcquired(b_->Acquire("vm1", 1, "hostB"), {"vm1", 2, "hostB"});
}

}  // namespace
}  // namespace ft::fencing
