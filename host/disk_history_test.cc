// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/disk_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ft::host {
namespace {

using ::testing::HasSubstr;
using Record = std::optional<fencing::VmRecord>;

Record At(uint64_t epoch, const std::string& holder) {
  return fencing::VmRecord{.vm = "vm1", .epoch = epoch, .holder = holder};
}

Status CheckOnA(const DiskHistory& history, const Record& record,
                const std::string& peer = "hostB") {
  return CheckDisksAreCurrent(history, record, "vm1", "hostA", peer);
}
bool CurrentOnA(const DiskHistory& history, const Record& record) {
  return CheckOnA(history, record).ok();
}

TEST(DiskHistory, VmThatNeverRanMayStartAnywhere) {
  EXPECT_TRUE(CurrentOnA({}, std::nullopt));
}

// The record is there and our own file is not: ftd died in between.
TEST(DiskHistory, FirstStartThatWasNotWrittenDown) {
  EXPECT_TRUE(CurrentOnA({}, At(1, "hostA")));
  EXPECT_FALSE(CurrentOnA({}, At(1, "")));
  EXPECT_FALSE(CurrentOnA({}, At(2, "hostA")));
  EXPECT_FALSE(CurrentOnA({}, At(0, "")));
}

TEST(DiskHistory, WhoStoppedItMayStartIt) {
  EXPECT_TRUE(CurrentOnA({.live_epoch = 3}, At(4, "")));
  EXPECT_FALSE(CurrentOnA({.live_epoch = 2}, At(4, "")));
}

TEST(DiskHistory, WhoDiedWithItMayStartIt) {
  EXPECT_TRUE(CurrentOnA({.live_epoch = 3}, At(3, "hostA")));
  // Won the next epoch alone, and died before that was written down.
  EXPECT_TRUE(CurrentOnA({.live_epoch = 3}, At(4, "hostA")));
  EXPECT_FALSE(CurrentOnA({.live_epoch = 3}, At(5, "hostA")));
}

TEST(DiskHistory, AfterAFailoverOnlyTheOtherHostMay) {
  EXPECT_FALSE(CurrentOnA({.live_epoch = 1}, At(2, "hostB")));
  EXPECT_FALSE(CurrentOnA({.live_epoch = 1}, At(3, "")));
  EXPECT_EQ(CheckOnA({.live_epoch = 1}, At(3, "")).ToString(),
            "the private disks of vm1 on hostA are not current: it lived here "
            "last in epoch 1, and its record is at epoch 3; start it on hostB; "
            "or, if you have copied its disks here, ftctl start vm1 "
            "--disks-are-current");
}

TEST(DiskHistory, BackupThatNeverLivedMayNot) {
  const DiskHistory history = {.replica_of = "hostC"};
  EXPECT_FALSE(CurrentOnA(history, At(2, "")));
  EXPECT_FALSE(CurrentOnA(history, At(2, "hostA"))) << "won, and did not live";
  EXPECT_FALSE(CurrentOnA(history, std::nullopt)) << "the store is another";
  EXPECT_THAT(CheckOnA(history, At(2, "")).ToString(),
              HasSubstr("a replica of hostC's, and the VM has not lived here "
                        "since; start it on hostC; "));
}

// It lived here, and then another host's backup wrote to the same disks.
TEST(DiskHistory, BackupThatLivedEarlierMayNot) {
  EXPECT_FALSE(CurrentOnA({.live_epoch = 2, .replica_of = "hostB"}, At(3, "")));
}

TEST(DiskHistory, UnknownHostIsNotInvented) {
  EXPECT_THAT(CheckOnA({}, At(7, ""), "").ToString(),
              HasSubstr("it never lived here, and its record is at epoch 7; "
                        "start it on the host where it ran last; "));
}

TEST(DiskHistory, ConcernsPrivateDisksOnly) {
  replay::VmDefinition vm;
  EXPECT_FALSE(HasPrivateDisks(vm));
  vm.disks = {{.path = "/srv/a"}};
  EXPECT_FALSE(HasPrivateDisks(vm));
  vm.disks.push_back({.path = "/srv/b", .mode = "private"});
  EXPECT_TRUE(HasPrivateDisks(vm));
}

}  // namespace
}  // namespace ft::host
