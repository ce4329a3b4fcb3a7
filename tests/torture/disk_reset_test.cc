// SPDX-License-Identifier: GPL-2.0-or-later
//
// A machine, or its disk, that is reset while requests of the disk are in
// flight: each ends there and then, on both sides, and nothing of it reaches
// the guest afterwards. Needs the guests that ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "logchannel/count_for_test.h"
#include "tests/replay/network_bed.h"
#include "tests/torture/faulty_disk.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;

constexpr char kReady[] = "FT-GUEST-READY";

// A guest with a disk so slow that there always is something in flight.
class SlowDisk {
 public:
  explicit SlowDisk(Workload workload)
      : workload_(workload), machine_(workload_) {}

  void Protect() {
    ASSERT_TRUE(bed_.status().ok()) << bed_.status().ToString();
    ASSERT_TRUE(machine_.MakeImage().ok());
    using Fault = FaultyDisk::Fault;
    primary_disk_.emplace(machine_.image_path(), Fault::kSlow);
    backup_disk_.emplace(machine_.backup_image_path(), Fault::kSlow);
    replay::PairOptions options = machine_.Options();
    options.backup_disks = options.disks;
    options.disks[0].path = primary_disk_->path();
    options.backup_disks[0].path = backup_disk_->path();
    pair_.emplace(options);
    ASSERT_TRUE(pair_->StartPrimary());
    ASSERT_TRUE(pair_->WaitForConsole(Side::kPrimary, kReady));
    ASSERT_TRUE(pair_->Clone());
    ASSERT_TRUE(pair_->Protect());
  }
  EnginePair& pair() { return *pair_; }
  // Until the guest has started so often once more.
  bool AwaitStarts(Side side, size_t more) {
    const auto starts = [&] { return Count(pair_->Console(side), kReady); };
    const size_t wanted = starts() + more;
    return pair_->WaitUntil(
        [&] { return starts() >= wanted || pair_->divergence(); },
        std::chrono::seconds(60));
  }

 private:
  const replay::NetworkBed bed_;
  const Workload workload_;
  const Machine machine_;
  std::optional<FaultyDisk> primary_disk_, backup_disk_;
  std::optional<EnginePair> pair_;
};

using Name = ::testing::TestParamInfo<const char*>;

std::string NameOf(const Name& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class MachineReset : public ::testing::TestWithParam<const char*> {
 protected:
  static Workload Resetting() {
    Workload workload = *FindWorkload(GetParam());
    workload.guest = "disk-reset";
    return workload;
  }
  void SetUp() override { disk_.Protect(); }

  SlowDisk disk_{Resetting()};
};

TEST_P(MachineReset, EndsWhatIsInFlight) {
  EXPECT_TRUE(disk_.AwaitStarts(Side::kPrimary, 2));
  disk_.pair().ExpectIdentical();
}

// Changes that the output rule holds are not waited for: nobody acknowledges
// anything before the guest has started anew.
TEST_P(MachineReset, EndsWhatIsHeld) {
  disk_.pair().SetPumping(false);
  EXPECT_TRUE(disk_.AwaitStarts(Side::kPrimary, 1));
  disk_.pair().SetPumping(true);
  disk_.pair().ExpectIdentical();
}

TEST_P(MachineReset, AndWhatComesAfterGoesLive) {
  ASSERT_TRUE(disk_.AwaitStarts(Side::kPrimary, 1));
  disk_.pair().KillPrimary();
  ASSERT_TRUE(disk_.pair().GoLive());
  EXPECT_TRUE(disk_.AwaitStarts(Side::kBackup, 2));
}

INSTANTIATE_TEST_SUITE_P(Disks, MachineReset,
                         ::testing::Values("disk-blk", "disk-scsi",
                                           "disk-reads-backup", "disk-private"),
                         NameOf);

class DeviceReset : public ::testing::TestWithParam<const char*> {
 protected:
  static Workload Resetting() {
    Workload workload = *FindWorkload(GetParam());
    workload.guest = "disk-device-reset";
    workload.bus = replay::kVirtioScsi;
    workload.what = "sda";
    workload.rounds = 16;  // a private disk is copied first
    return workload;
  }
  void SetUp() override { disk_.Protect(); }

  SlowDisk disk_{Resetting()};
};

// The guest does again what was in flight and holds what it reads against what
// it wrote.
TEST_P(DeviceReset, LosesNothing) {
  EXPECT_TRUE(disk_.pair().WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  disk_.pair().ExpectIdentical();
}

// Not private disks: a slow one is copied for as long as the guest works on it.
class LiveDeviceReset : public DeviceReset {};

TEST_P(LiveDeviceReset, LosesNothing) {
  disk_.pair().Run(std::chrono::seconds(2));
  disk_.pair().KillPrimary();
  ASSERT_TRUE(disk_.pair().GoLive());
  EXPECT_TRUE(disk_.pair().WaitForConsole(Side::kBackup, "FT-GUEST-DONE"));
}

INSTANTIATE_TEST_SUITE_P(Disks, DeviceReset,
                         ::testing::Values("disk-scsi", "disk-reads-backup",
                                           "disk-private"),
                         NameOf);
INSTANTIATE_TEST_SUITE_P(Disks, LiveDeviceReset,
                         ::testing::Values("disk-scsi", "disk-reads-backup"),
                         NameOf);

}  // namespace
}  // namespace ft::torture
