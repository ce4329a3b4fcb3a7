// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/vm_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace ft::replay {
namespace {

using ::testing::HasSubstr;

TEST(VmDevices, BothNicModelsAreValid) {
  Nic nic = {.mac = "52:54:00:12:34:56", .bridge = "br0"};
  EXPECT_TRUE(ValidateNic(nic, 0).ok());
  nic.model = "e1000";
  EXPECT_TRUE(ValidateNic(nic, 0).ok());
  nic.model = "e1000e";
  EXPECT_THAT(ValidateNic(nic, 3).ToString(),
              HasSubstr("nic 3: model \"e1000e\" is not supported; use "
                        "\"virtio-net\" or \"e1000\""));
}

TEST(VmDevices, DiskIsAnImageBehindOneOfTwoControllers) {
  const Disk good = {.path = "/srv/a b,c.img"};
  EXPECT_TRUE(ValidateDisk(good, 0).ok());
  EXPECT_TRUE(ValidateDisk({.path = "nbd://10.0.0.5:10809/vm1"}, 0).ok());
  struct Case {
    void (*spoil)(Disk&);
    const char* expected;
  };
  const Case cases[] = {
      {[](Disk& disk) { disk.path = "vm1.img"; }, "disk 1: path \"vm1.img\""},
      {[](Disk& disk) { disk.path = ""; }, "disk 1: path \"\""},
      {[](Disk& disk) { disk.path = "iscsi://10.0.0.5/vm1"; },
       "disk 1: path \"iscsi://10.0.0.5/vm1\" names no LUN"},
      {[](Disk& disk) { disk.path = "iscsi://joe%pw@h/iqn.a/0"; },
       "disk 1: an iSCSI path with a user in it: CHAP is not supported"},
      {[](Disk& disk) {
         disk.path = "iscsi://10.0.0.5/iqn.2026-11.com.example:a/0";
         disk.format = kQcow2;
       },
       "disk 1: qcow2 is not replicated"},
      {[](Disk& disk) { disk.path = "nbd://vm1"; },
       "disk 1: path \"nbd://vm1\" names no disk of a disk service"},
      {[](Disk& disk) { disk.path = "/"; }, "disk 1: path \"/\""},
      {[](Disk& disk) { disk.path = "/srv/"; }, "disk 1: path \"/srv/\""},
      {[](Disk& disk) { disk.path = "/srv/a\n"; }, "disk 1: path"},
      {[](Disk& disk) { disk.format = "vmdk"; }, "disk 1: format \"vmdk\""},
      {[](Disk& disk) { disk.bus = "ide"; }, "disk 1: bus \"ide\""},
      {[](Disk& disk) { disk.mode = "both"; }, "disk 1: mode \"both\""},
      {[](Disk& disk) { disk.reads = "x"; }, "disk 1: reads \"x\""},
      {[](Disk& disk) {
         disk.mode = kPrivate;
         disk.reads = kReadsByBackup;
       },
       "disk 1: reads \"backup\" is for shared disks"},
  };
  for (const Case& c : cases) {
    Disk disk = good;
    c.spoil(disk);
    const Status status = ValidateDisk(disk, 1);
    EXPECT_EQ(status.code(), Code::kInvalid) << c.expected;
    EXPECT_THAT(status.message(), HasSubstr(c.expected));
    EXPECT_NE(status.remedy(), "") << c.expected;
  }
}

TEST(VmDevices, PrivateDiskIsARawImageOfEachHost) {
  Disk disk = {.path = "/srv/vm1.img", .mode = "private"};
  EXPECT_TRUE(ValidateDisk(disk, 0).ok());
  disk.path = "/dev/vg0/vm1";
  EXPECT_TRUE(ValidateDisk(disk, 0).ok());
  disk.path = "nbd://10.0.0.5:10809/vm1";
  EXPECT_THAT(ValidateDisk(disk, 2).ToString(),
              HasSubstr("disk 2: a disk at a disk service cannot be private; "
                        "set mode = \"shared\""));
  disk.path = "iscsi://10.0.0.5/iqn.2026-11.com.example:vm1/0";
  EXPECT_THAT(ValidateDisk(disk, 2).ToString(),
              HasSubstr("a disk at an iSCSI target cannot be private; set"));
  disk = {.path = "/srv/vm1.img", .format = "qcow2", .mode = "private"};
  EXPECT_THAT(ValidateDisk(disk, 0).ToString(),
              HasSubstr("compared and copied as raw images; convert"));
}

TEST(VmDevices, DiskElsewhereIsShared_AndNotLookedAtHere) {
  for (const char* path : {"nbd://10.0.0.5:10809/vm1",
                           "iscsi://10.0.0.5/iqn.2026-11.com.example:vm1/0"}) {
    const Disk disk = {.path = path};
    EXPECT_TRUE(ValidateDisk(disk, 0).ok()) << path;
    EXPECT_TRUE(CheckDisk(disk).ok()) << path;
  }
}

TEST(VmDevices, WhatIsBelowDevIsADevice) {
  EXPECT_TRUE(IsDevicePath("/dev/vg0/vm1"));
  EXPECT_TRUE(IsDevicePath("/dev/disk/by-id/x"));
  EXPECT_FALSE(IsDevicePath("/dev/shm/vm1.img"));
  EXPECT_FALSE(IsDevicePath("/srv/dev/vm1.img"));
}

class DiskImage : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/disk." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string directory_;
};

TEST_F(DiskImage, IsCheckedForBeingThere) {
  const Disk raw = {.path = Write("raw", std::string(512, '\0'))};
  EXPECT_TRUE(CheckDisk(raw).ok());
  EXPECT_THAT(CheckDisk({.path = directory_ + "/none"}).message(),
              HasSubstr("/none: No such file"));
  EXPECT_THAT(CheckDisk({.path = directory_}).message(),
              HasSubstr("is no image file"));
  EXPECT_THAT(CheckDisk({.path = "/dev/null"}).message(),
              HasSubstr("is no block device"));
}

TEST_F(DiskImage, HasASize) {
  auto size = DiskBytes({.path = Write("raw", std::string(700, 'x'))});
  ASSERT_TRUE(size.ok()) << size.status().ToString();
  EXPECT_EQ(*size, 700u);
  EXPECT_THAT(DiskBytes({.path = Write("none", "")}).status().ToString(),
              HasSubstr("/none is empty; make it"));
  EXPECT_THAT(DiskBytes({.path = directory_ + "/gone"}).status().message(),
              HasSubstr("/gone: No such file"));
}

// Taken for raw, a guest could write itself a header that names any file of
// the host.
TEST_F(DiskImage, IsOfTheFormatThatWasSaid) {
  const std::string path = Write("image", "QFI\xfb....");
  EXPECT_TRUE(CheckDisk({.path = path, .format = kQcow2}).ok());
  EXPECT_EQ(CheckDisk({.path = path}).ToString(),
            "disk " + path + " is qcow2; set format = \"qcow2\"");
  const Disk empty = {.path = Write("empty", ""), .format = kQcow2};
  EXPECT_EQ(CheckDisk(empty).ToString(),
            "disk " + empty.path + " is not qcow2; set format = \"raw\"");
}

}  // namespace
}  // namespace ft::replay
