// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/write_right.h"

#include <gtest/gtest.h>

#include <vector>

namespace ft::shared_disk {
namespace {

// One VM at a service, as hosts and engines see it.
class Vm1 {
 public:
  // Whether the test-and-set was won.
  bool Set(uint64_t epoch, const std::string& holder) {
    std::optional<Record> expected;
    if (right_) expected = right_->record;
    auto next = AfterTestAndSet(right_, expected, {"vm1", epoch, holder});
    if (next.ok()) right_ = *next;
    return next.ok();
  }
  bool Connect(const Writer& writer) {
    if (MayConnect(right_, writer) != Verdict::kMayWrite) return false;
    if (const auto next = AfterConnect(right_, writer)) right_ = next;
    return true;
  }
  Verdict Write(const Writer& writer) const { return MayWrite(right_, writer); }
  bool Writes(const Writer& writer) const {
    return Write(writer) == Verdict::kMayWrite;
  }
  const std::optional<WriteRight>& right() const { return right_; }

 private:
  std::optional<WriteRight> right_;
};

const Writer kA1 = {"hostA", 1}, kA3 = {"hostA", 3}, kB1 = {"hostB", 1},
             kB2 = {"hostB", 2};

TEST(WriteRight, NobodyWritesBeforeTheFirstStart) {
  Vm1 vm;
  EXPECT_FALSE(vm.Connect(kA1));
  EXPECT_EQ(vm.Write(kA1), Verdict::kUnknownEpoch);
}

TEST(WriteRight, BackupConnectsEarlyAndWritesWhenItHasWon) {
  Vm1 vm;
  vm.Set(1, "hostA");
  EXPECT_TRUE(vm.Connect(kA1));
  EXPECT_TRUE(vm.Connect(kB1));
  EXPECT_TRUE(vm.Writes(kA1));
  EXPECT_EQ(vm.Write(kB1), Verdict::kNotHolder);
  vm.Set(2, "hostB");
  EXPECT_TRUE(vm.Writes(kB1));
  EXPECT_FALSE(vm.Writes(kA1));
}

TEST(WriteRight, PrimaryThatLostItsBackupWritesOn) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kA1);
  vm.Set(2, "hostA");
  vm.Set(3, "hostA");
  EXPECT_TRUE(vm.Writes(kA1));
}

// hostA was primary in epoch 1 and froze; B took over, hostA became B's
// backup and won epoch 3 with a new engine. The frozen one thaws.
TEST(WriteRight, OldEngineOfTheHolderItselfIsFenced) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kA1);
  vm.Set(2, "hostB");
  vm.Connect({"hostA", 2});
  vm.Set(3, "hostA");
  EXPECT_TRUE(vm.Writes({"hostA", 2}));
  EXPECT_EQ(vm.Write(kA1), Verdict::kFenced);
  EXPECT_FALSE(vm.Connect(kA1));
}

// Its engine died, or seems to have; ftctl start takes the next epoch.
TEST(WriteRight, StartOnTheSameHostFencesTheEngineBefore) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kA1);
  vm.Set(2, "hostA");
  vm.Connect({"hostA", 2});
  EXPECT_TRUE(vm.Writes({"hostA", 2}));
  EXPECT_EQ(vm.Write(kA1), Verdict::kFenced);
}

TEST(WriteRight, BackupOfAnEarlierEpochIsFencedByTheLater) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kB1);
  vm.Set(2, "hostA");
  vm.Connect(kB2);
  vm.Set(3, "hostB");
  EXPECT_TRUE(vm.Writes(kB2));
  EXPECT_EQ(vm.Write(kB1), Verdict::kFenced);
}

TEST(WriteRight, StoppedVmIsWrittenByNobodyAndStartsAfresh) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kA1);
  vm.Set(2, "");
  EXPECT_EQ(vm.Write(kA1), Verdict::kNotHolder);
  vm.Set(3, "hostA");
  EXPECT_EQ(vm.Write(kA1), Verdict::kFenced);
  EXPECT_TRUE(vm.Connect(kA3));
  EXPECT_TRUE(vm.Writes(kA3));
}

TEST(WriteRight, AnotherHostsConnectionFencesNobody) {
  Vm1 vm;
  vm.Set(1, "hostA");
  vm.Connect(kA1);
  vm.Set(2, "hostA");
  EXPECT_TRUE(vm.Connect(kB2));
  EXPECT_TRUE(vm.Writes(kA1));
}

TEST(WriteRight, WriterYoungerThanTheRecordComesFromAnotherStore) {
  Vm1 vm;
  vm.Set(1, "hostA");
  EXPECT_FALSE(vm.Connect({"hostA", 2}));
  EXPECT_EQ(vm.Write({"hostA", 2}), Verdict::kUnknownEpoch);
}

TEST(WriteRight, TestAndSetComparesTheWholeRecord) {
  const WriteRight right = {{"vm1", 7, "hostA"}, 5};
  const Record wanted = {"vm1", 8, "hostB"};
  EXPECT_TRUE(AfterTestAndSet(right, right.record, wanted).ok());
  for (const std::optional<Record>& other :
       {std::optional<Record>(), std::optional<Record>({"vm1", 6, "hostA"}),
        std::optional<Record>({"vm1", 7, "hostB"}),
        std::optional<Record>({"vm1", 7, ""})}) {
    EXPECT_FALSE(AfterTestAndSet(right, other, wanted).ok());
  }
  EXPECT_FALSE(AfterTestAndSet(std::nullopt, right.record, wanted).ok());
}

TEST(WriteRight, EpochsGrowByOneAndNothingElseFollows) {
  const WriteRight right = {{"vm1", 7, "hostA"}, 5};
  for (const Record& wanted :
       {Record{"vm1", 7, "hostB"}, Record{"vm1", 9, "hostB"},
        Record{"vm1", 6, "hostB"}, Record{"vm2", 8, "hostB"}}) {
    EXPECT_FALSE(AfterTestAndSet(right, right.record, wanted).ok());
  }
  EXPECT_FALSE(AfterTestAndSet(std::nullopt, {}, {"vm1", 2, "hostA"}).ok());
  EXPECT_FALSE(AfterTestAndSet(std::nullopt, {}, {"vm1", 1, ""}).ok());
  const WriteRight stopped = {{"vm1", 7, ""}, 5};
  EXPECT_FALSE(AfterTestAndSet(stopped, stopped.record, {"vm1", 8, ""}).ok());
}

// All that can happen to a VM on two hosts, five steps deep: a start, a
// failover, a lost backup or a stop, with engines that never go away. Of all
// engines that were ever live, at most one may write.
class AllStories {
 public:
  void Tell(int steps) { Step(steps, Vm1(), {}, {}); }
  int stories() const { return stories_; }

 private:
  // `live`: the engine that runs; `gone`: those that did.
  void Step(int steps, const Vm1& vm, std::optional<Writer> live,
            std::vector<Writer> gone) {
    for (const Writer& old : gone) EXPECT_FALSE(vm.Writes(old));
    EXPECT_TRUE(!live || vm.Writes(*live));
    ++stories_;
    if (steps == 0) return;
    const uint64_t epoch = vm.right() ? vm.right()->record.epoch : 0;
    for (const char* host : {"hostA", "hostB"}) {
      Start(steps, vm, live, gone, {host, epoch + 1});
      if (live && live->host != host) {
        GoLive(steps, vm, *live, gone, {host, epoch});
      }
    }
    if (!live) return;
    Vm1 goes_on = vm, stopped = vm;
    EXPECT_TRUE(goes_on.Set(epoch + 1, live->host));
    Step(steps - 1, goes_on, live, gone);
    EXPECT_TRUE(stopped.Set(epoch + 1, ""));
    gone.push_back(*live);
    Step(steps - 1, stopped, std::nullopt, gone);
  }
  // On a host that holds the record its engine has died, it believes.
  void Start(int steps, Vm1 vm, const std::optional<Writer>& live,
             std::vector<Writer> gone, const Writer& started) {
    if (live && live->host != started.host) return;
    EXPECT_TRUE(vm.Set(started.epoch, started.host));
    EXPECT_TRUE(vm.Connect(started));
    if (live) gone.push_back(*live);
    Step(steps - 1, vm, started, gone);
  }
  void GoLive(int steps, Vm1 vm, const Writer& live, std::vector<Writer> gone,
              const Writer& clone) {
    EXPECT_TRUE(vm.Connect(clone));
    EXPECT_FALSE(vm.Writes(clone));
    EXPECT_TRUE(vm.Writes(live));
    EXPECT_TRUE(vm.Set(clone.epoch + 1, clone.host));
    gone.push_back(live);
    Step(steps - 1, vm, clone, gone);
  }

  int stories_ = 0;
};

TEST(WriteRight, InNoStoryDoTwoEnginesWrite) {
  AllStories all;
  all.Tell(7);
  EXPECT_GT(all.stories(), 5000);
}

TEST(WriteRight, RefusalSaysWhoWhichEpochAndWhatIsCurrent) {
  const WriteRight right = {{"vm1", 2, "hostB"}, 1};
  EXPECT_EQ(Explain(Verdict::kNotHolder, kA1, right),
            "hostA of epoch 1 does not hold the record: vm1 is epoch 2, held "
            "by hostB, written by engines of epoch 1 and later");
  EXPECT_EQ(Explain(Verdict::kUnknownEpoch, kA3, std::nullopt),
            "hostA of epoch 3 comes from another store of records: here is "
            "no record");
}

}  // namespace
}  // namespace ft::shared_disk
