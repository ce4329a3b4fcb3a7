// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/memory_test_and_set.h"

#include <gtest/gtest.h>

#include <thread>

#include "fencing/test_and_set_conformance.h"
#include "fencing/test_and_set_race.h"

namespace ft::fencing {
namespace {

// Hands the calls of many handles to one store.
class Handle : public TestAndSet {
 public:
  explicit Handle(TestAndSet& store) : store_(store) {}
  Result<std::optional<VmRecord>> Read(const std::string& vm) override {
    return store_.Read(vm);
  }
  TestAndSetAnswer Acquire(const std::string& vm, uint64_t expected_epoch,
                           const std::string& contender) override {
    return store_.Acquire(vm, expected_epoch, contender);
  }
  Status Release(const std::string& vm, uint64_t epoch,
                 const std::string& holder) override {
    return store_.Release(vm, epoch, holder);
  }

 private:
  TestAndSet& store_;
};

class MemoryUnderTest : public StoreUnderTest {
 public:
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<Handle>(store_);
  }

 private:
  MemoryTestAndSet store_;
};

INSTANTIATE_TEST_SUITE_P(
    Memory, TestAndSetConformance,
    testing::Values(+[]() -> std::unique_ptr<StoreUnderTest> {
      return std::make_unique<MemoryUnderTest>();
    }));

TEST(MemoryTestAndSet, LostReply_IsCarriedOutNonetheless) {
  MemoryTestAndSet store;
  store.SetFault(MemoryTestAndSet::Fault::kLostReply);
  EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kUnreachable);
  store.SetFault(MemoryTestAndSet::Fault::kNone);
  EXPECT_EQ(store.Acquire("vm1", 0, "hostB").outcome,
            TestAndSetOutcome::kHeldByPeer);
  EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
}

TEST(MemoryTestAndSet, Hang_EndsWithTheFault) {
  MemoryTestAndSet store;
  store.SetFault(MemoryTestAndSet::Fault::kHangs);
  std::jthread contender([&] {
    EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
              TestAndSetOutcome::kAcquired);
  });
  while (store.calls() == 0) std::this_thread::yield();
  store.SetFault(MemoryTestAndSet::Fault::kNone);
}

// A check that is added is a test too; those of a wire are run elsewhere.
TEST(TestAndSetChecks, EachIsATest) {
  std::string tests;
  const auto& program = *testing::UnitTest::GetInstance();
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    const testing::TestSuite& suite = *program.GetTestSuite(i);
    for (int j = 0; j < suite.total_test_count(); ++j) {
      tests += suite.GetTestInfo(j)->name() + std::string("\n");
    }
  }
  for (const Check& check : AllChecks()) {
    if (check.hand == Hand::kWire) continue;
    EXPECT_NE(tests.find(check.name), std::string::npos) << check.name;
  }
}

// Reads, thinks, and then sets: what a store without an atomic step does.
class TornTestAndSet : public Handle {
 public:
  explicit TornTestAndSet(MemoryTestAndSet& store)
      : Handle(store), store_(store) {}
  TestAndSetAnswer Acquire(const std::string& vm, uint64_t expected_epoch,
                           const std::string& contender) override {
    const auto record = *store_.Read(vm);
    const uint64_t epoch = record ? record->epoch : 0;
    if (epoch != expected_epoch) return TestAndSetAnswer::HeldByPeer(*record);
    std::this_thread::yield();
    store_.Acquire(vm, expected_epoch, contender);
    return TestAndSetAnswer::Acquired({vm, expected_epoch + 1, contender});
  }

 private:
  MemoryTestAndSet& store_;
};

// A test of the test: the race must be able to see a store that is wrong.
TEST(Race, SeesAStoreThatIsNotAtomic) {
  MemoryTestAndSet store;
  const auto open = [&] { return std::make_unique<TornTestAndSet>(store); };
  const RaceResult result = Race(open, "vm1", {.contenders = 8, .rounds = 500});
  EXPECT_GT(result.split, 0);
}

}  // namespace
}  // namespace ft::fencing
