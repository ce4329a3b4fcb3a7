// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/plan.h"

#include <gtest/gtest.h>

#include <set>

namespace ft::torture {
namespace {

std::vector<const Workload*> Everything() {
  std::vector<const Workload*> workloads;
  for (const Workload& workload : AllWorkloads()) {
    workloads.push_back(&workload);
  }
  return workloads;
}

std::vector<const Workload*> Recordable() {
  std::vector<const Workload*> workloads = Everything();
  std::erase_if(workloads, [](const Workload* workload) {
    return !CanBeRecorded(*workload);
  });
  return workloads;
}

TEST(Plan, WorkloadsTakeTurnsAndMeetAllCombinations) {
  const auto workloads = Recordable();
  const int count = static_cast<int>(workloads.size());
  std::set<std::tuple<const Workload*, bool, bool>> met;
  for (int number = 1; number <= 4 * count; ++number) {
    const Trial trial = PlanTrial(1, number, workloads);
    EXPECT_EQ(trial.workload,
              workloads[static_cast<size_t>(number - 1) % workloads.size()]);
    met.insert({trial.workload, trial.streamed, trial.contention});
  }
  EXPECT_EQ(met.size(), 4 * workloads.size());
}

TEST(Plan, WhatABackupHasToDoItselfIsStreamed) {
  const std::vector workloads = {FindWorkload("disk-private"),
                                 FindWorkload("disk-reads-backup")};
  std::set<std::pair<const Workload*, bool>> met;
  for (int number = 1; number <= 8; ++number) {
    const Trial trial = PlanTrial(1, number, workloads);
    EXPECT_TRUE(trial.streamed);
    met.insert({trial.workload, trial.contention});
  }
  EXPECT_EQ(met.size(), 4u);
}

TEST(Plan, EverySecondRecordingIsDense) {
  const auto workloads = Recordable();
  const int count = static_cast<int>(workloads.size());
  std::set<std::pair<const Workload*, bool>> met;
  for (int number = 1; number <= 8 * count; number += 4) {
    int recorded = 0, dense = 0;
    for (int i = 0; i < 4; ++i) {
      const Trial trial = PlanTrial(1, number + i, workloads);
      recorded += !trial.streamed;
      dense += trial.dense;
      EXPECT_FALSE(trial.streamed && trial.dense);
      if (trial.dense) met.insert({trial.workload, trial.contention});
    }
    EXPECT_EQ(recorded, 2);
    EXPECT_EQ(dense, 1) << "runs from " << number;
  }
  EXPECT_EQ(met.size(), 2 * workloads.size());
}

// Within a hundred runs already.
TEST(Plan, DenseRecordingsAreBothQuietAndUnderContention) {
  const auto workloads = Everything();
  int quiet = 0, contention = 0;
  for (int number = 1; number <= 100; ++number) {
    const Trial trial = PlanTrial(1, number, workloads);
    if (trial.dense) ++(trial.contention ? contention : quiet);
  }
  EXPECT_GT(quiet, 5);
  EXPECT_GT(contention, 5);
}

TEST(Plan, TheSameSeedAndNumberAreTheSameRun) {
  const auto workloads = Everything();
  const Trial one = PlanTrial(7, 3, workloads);
  const Trial again = PlanTrial(7, 3, workloads);
  EXPECT_EQ(one.clone_after, again.clone_after);
  EXPECT_EQ(one.compare_after, again.compare_after);
  EXPECT_NE(PlanTrial(8, 3, workloads).clone_after, one.clone_after);
  EXPECT_NE(PlanTrial(7, 4, workloads).clone_after, one.clone_after);
}

TEST(Plan, WorkloadsAreFoundByNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Workload& workload : AllWorkloads()) {
    EXPECT_EQ(FindWorkload(workload.name), &workload);
    names.insert(workload.name);
  }
  EXPECT_EQ(names.size(), AllWorkloads().size());
  EXPECT_EQ(FindWorkload("nothing"), nullptr);
}

TEST(Plan, SaysWhichGuestsItNeeds) {
  using Names = std::set<std::string>;
  const Workload* tiny = FindWorkload("tiny");
  const Workload* compile = FindWorkload("compile");
  const Workload* fio = FindWorkload("debian-fio");
  EXPECT_EQ(GuestsOf(std::vector{tiny}), Names());
  EXPECT_EQ(GuestsOf(std::vector{tiny, compile}), Names({"compile"}));
  EXPECT_EQ(GuestsOf(std::vector{fio, tiny}), Names({"debian", "devices"}));
}

TEST(Plan, DevicesBeyondTheDefaultOnesComeWithTheirKernel) {
  for (const Workload& workload : AllWorkloads()) {
    const bool asks = workload.nic != std::string("virtio-net") ||
                      workload.video != std::string("none") ||
                      workload.image != Image::kNoDisk ||
                      workload.hands != Hands::kNone;
    const bool has = workload.kernel == std::string("vmlinuz-devices") &&
                     workload.initrd == std::string("initrd-devices.gz");
    EXPECT_EQ(asks, has) << workload.name;
    if (asks) {
      EXPECT_STRNE(workload.devices, "") << workload.name;
    }
  }
}

}  // namespace
}  // namespace ft::torture
