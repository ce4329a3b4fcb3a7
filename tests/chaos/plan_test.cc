// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/plan.h"

#include <gtest/gtest.h>

#include <set>

namespace ft::chaos {
namespace {

using std::chrono::milliseconds;

std::vector<FaultKind> Everything() {
  std::vector<FaultKind> kinds;
  for (const FaultFacts& facts : AllFaults()) kinds.push_back(facts.kind);
  return kinds;
}

Fault On(Target target, FaultKind kind) {
  return {.kind = kind, .target = target, .lasts = milliseconds(1000)};
}

TEST(Fault, NamesAreTheirOwn) {
  std::set<std::string> names;
  for (const FaultFacts& facts : AllFaults()) {
    EXPECT_EQ(FaultFromName(facts.name), facts.kind);
    names.insert(facts.name);
  }
  EXPECT_EQ(names.size(), AllFaults().size());
  EXPECT_EQ(FaultFromName("nothing"), std::nullopt);
}

TEST(Fault, SaysWhatIsDone) {
  const Fault fault = {.kind = FaultKind::kSlowLog,
                       .target = Target::kBoth,
                       .at = milliseconds(43),
                       .lasts = milliseconds(900),
                       .size = 20};
  EXPECT_EQ(Text(fault), "slow-log (20 ms) at 43 ms for 900 ms");
  EXPECT_EQ(Text(On(Target::kBackup, FaultKind::kEngineKilled)).substr(0, 20),
            "engine-killed backup");
}

TEST(Plan, TheSameSeedAndNumberAreTheSameRun) {
  const auto kinds = Everything();
  for (int number = 1; number <= 60; ++number) {
    EXPECT_EQ(PlanTrial(7, number, kinds).faults,
              PlanTrial(7, number, kinds).faults);
  }
  EXPECT_NE(PlanTrial(7, 1, kinds).faults, PlanTrial(8, 1, kinds).faults);
  EXPECT_NE(PlanTrial(7, 1, kinds).faults, PlanTrial(7, 2, kinds).faults);
}

// Two hundred runs, as they are promised, meet every fault on every side.
TEST(Plan, TwoHundredRunsMeetEverything) {
  const auto kinds = Everything();
  std::set<std::string> met, expected;
  for (const FaultFacts& facts : AllFaults()) {
    for (const Target target : facts.targets) {
      expected.insert(Label(On(target, facts.kind)));
    }
  }
  int cloning = 0, pairs = 0, early = 0;
  for (int number = 1; number <= 200; ++number) {
    const Trial trial = PlanTrial(1, number, kinds);
    if (trial.moment == Moment::kCloning) ++cloning;
    if (trial.faults.size() == 2) ++pairs;
    if (trial.faults.front().lasts < milliseconds(400)) ++early;
    if (trial.faults.size() == 1 && trial.moment == Moment::kProtected) {
      met.insert(Label(trial.faults.front()));
    }
  }
  EXPECT_EQ(met, expected);
  EXPECT_GT(cloning, 30);
  EXPECT_GT(pairs, 30);
  EXPECT_GT(early, 20);
}

TEST(Plan, KeepsToItsBounds) {
  const auto kinds = Everything();
  for (int number = 1; number <= 2000; ++number) {
    const Trial trial = PlanTrial(3, number, kinds);
    for (const Fault& fault : trial.faults) {
      const FaultFacts& facts = FactsOf(fault.kind);
      EXPECT_GE(fault.lasts.count(), facts.lasts_min_ms) << Text(trial);
      EXPECT_LE(fault.lasts.count(), facts.lasts_max_ms) << Text(trial);
      EXPECT_GE(fault.size, facts.size_min) << Text(trial);
      EXPECT_LE(fault.size, facts.size_max) << Text(trial);
    }
    if (trial.faults.size() == 2) {
      const Fault &first = trial.faults[0], &second = trial.faults[1];
      EXPECT_GE(second.at, first.at) << Text(trial);
      EXPECT_TRUE(Compatible(first, second) ||
                  second.at >= first.at + first.lasts)
          << Text(trial);
    }
  }
}

TEST(Plan, KeepsToTheFaultsThatAreAskedFor) {
  const std::vector<FaultKind> kinds = {FaultKind::kFtdKilled,
                                        FaultKind::kLogCut};
  for (int number = 1; number <= 60; ++number) {
    for (const Fault& fault : PlanTrial(1, number, kinds).faults) {
      EXPECT_TRUE(fault.kind == kinds[0] || fault.kind == kinds[1]);
    }
  }
}

// One fault never takes the VM, once there is a backup.
TEST(Plan, OneFaultExcusesNothing) {
  for (const FaultFacts& facts : AllFaults()) {
    for (const Target target : facts.targets) {
      EXPECT_FALSE(MayLoseVm({.faults = {On(target, facts.kind)}}))
          << facts.name;
    }
  }
}

TEST(Plan, WithoutABackupTheOnlyCopyMayBeLost) {
  const auto lost = [](Target target, FaultKind kind) {
    return MayLoseVm(
        {.moment = Moment::kCloning, .faults = {On(target, kind)}});
  };
  EXPECT_TRUE(lost(Target::kPrimary, FaultKind::kEngineKilled));
  EXPECT_TRUE(lost(Target::kPrimary, FaultKind::kHostKilled));
  EXPECT_FALSE(lost(Target::kPrimary, FaultKind::kFtdKilled));
  EXPECT_FALSE(lost(Target::kBackup, FaultKind::kHostKilled));
}

TEST(Plan, TwoFaultsMayTakeBothCopies) {
  using enum FaultKind;
  const auto lost = [](Fault one, Fault other) {
    return MayLoseVm({.faults = {one, other}});
  };
  constexpr auto kP = Target::kPrimary, kB = Target::kBackup;
  EXPECT_TRUE(lost(On(kP, kEngineKilled), On(kB, kEngineKilled)));
  EXPECT_TRUE(lost(On(kP, kHostKilled), On(kB, kFtdStopped)));
  EXPECT_TRUE(lost(On(kP, kEngineKilled), On(kB, kHostCut)));
  EXPECT_TRUE(lost(On(kP, kLogCut), On(kP, kEngineKilled)));
  EXPECT_TRUE(lost(On(Target::kBoth, kMoved), On(kB, kEngineKilled)));
  EXPECT_TRUE(lost(On(kP, kHostCut), On(kB, kFtdKilled)));
  // The other copy is untouched, and has to wait at most.
  EXPECT_FALSE(lost(On(kP, kEngineKilled), On(kP, kFtdStopped)));
  EXPECT_FALSE(lost(On(kP, kHostKilled), On(kB, kStoreGone)));
  EXPECT_FALSE(lost(On(kP, kHostKilled), On(kB, kUplinkCut)));
  EXPECT_FALSE(lost(On(kP, kHostKilled), On(kB, kClockStep)));
  EXPECT_FALSE(lost(On(kP, kFtdKilled), On(kB, kFtdStopped)));
  EXPECT_FALSE(lost(On(kB, kHostKilled), On(kP, kStoreGone)));
}

}  // namespace
}  // namespace ft::chaos
