// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/vm_definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "logchannel/log_channel.pb.h"

namespace ft::replay {
namespace {

using ::testing::HasSubstr;

VmDefinition Good() {
  return {.name = "vm1",
          .uuid = UuidFromName("vm1"),
          .memory_mib = 256,
          .kernel = "/boot/vmlinuz",
          .initrd = "/boot/initrd.gz",
          .cmdline = "console=ttyS0",
          .nics = {{.mac = "52:54:00:12:34:56", .bridge = "br0"}},
          .disks = {{.path = "/srv/vm1.img"},
                    {.path = "/dev/vg/vm1",
                     .bus = "virtio-scsi",
                     .mode = "shared"}},
          .video = "vga",
          .tablet = true,
          .serial_input = true,
          .kernel_sha256 = "aa",
          .initrd_sha256 = "bb"};
}

TEST(VmDefinition, UuidFromName_IsStableAndDiffersByName) {
  EXPECT_EQ(UuidFromName("vm1"), UuidFromName("vm1"));
  EXPECT_NE(UuidFromName("vm1"), UuidFromName("vm2"));
  VmDefinition vm = Good();
  EXPECT_TRUE(Validate(vm).ok());
  EXPECT_EQ(vm.uuid[14], '5');  // version: name-based, SHA-1
}

TEST(VmDefinition, Wire_CarriesEveryField) {
  EXPECT_EQ(FromWire(ToWire(Good())), Good());
}

TEST(VmDefinition, Validate_NamesTheFieldAndTheRemedy) {
  struct Case {
    void (*spoil)(VmDefinition&);
    const char* expected;
  };
  const Case cases[] = {
      {[](VmDefinition& vm) { vm.name = ""; }, "name \"\""},
      {[](VmDefinition& vm) { vm.name = "../x"; }, "name \"../x\""},
      {[](VmDefinition& vm) { vm.name = std::string(64, 'x'); }, "name"},
      {[](VmDefinition& vm) { vm.uuid = "1234"; }, "uuid \"1234\""},
      {[](VmDefinition& vm) { vm.memory_mib = 1; }, "memory_mib = 1"},
      {[](VmDefinition& vm) { vm.kernel = "vmlinuz"; }, "kernel \"vmlinuz\""},
      {[](VmDefinition& vm) { vm.initrd = "i"; }, "initrd \"i\""},
      {[](VmDefinition& vm) { vm.nics[0].model = "rtl8139"; },
       "nic 0: model \"rtl8139\" is not supported"},
      {[](VmDefinition& vm) { vm.nics[0].mac = "53:54:00:12:34:56"; },
       "nic 0: mac"},
      {[](VmDefinition& vm) { vm.nics[0].bridge = "a/b"; }, "nic 0: bridge"},
      {[](VmDefinition& vm) { vm.nics.resize(9, vm.nics[0]); }, "9 NICs"},
      {[](VmDefinition& vm) { vm.disks.resize(9, vm.disks[0]); }, "9 disks"},
      {[](VmDefinition& vm) { vm.disks[1].path = vm.disks[0].path; },
       "disks 0 and 1 are both /srv/vm1.img"},
      {[](VmDefinition& vm) { vm.disks[1].bus = "ide"; },
       "disk 1: bus \"ide\" is not supported"},
      {[](VmDefinition& vm) { vm.video = "qxl"; }, "video \"qxl\""},
  };
  for (const Case& c : cases) {
    VmDefinition vm = Good();
    c.spoil(vm);
    const Status status = Validate(vm);
    EXPECT_EQ(status.code(), Code::kInvalid) << c.expected;
    EXPECT_THAT(status.message(), HasSubstr(c.expected));
    EXPECT_NE(status.remedy(), "") << c.expected;
  }
}

class BootFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/boot." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    vm_ = Good();
    vm_.kernel = Write("vmlinuz", "abc");
    vm_.initrd.clear();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string directory_;
  VmDefinition vm_;
};

TEST_F(BootFiles, Measure_IsSha256) {
  ASSERT_TRUE(MeasureBootFiles(vm_).ok());
  EXPECT_EQ(vm_.kernel_sha256,
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(vm_.initrd_sha256, "");
}

TEST_F(BootFiles, Measure_NamesTheMissingFile) {
  vm_.initrd = directory_ + "/none";
  const Status status = MeasureBootFiles(vm_);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(),
            "initrd " + vm_.initrd + ": No such file or directory");
}

TEST_F(BootFiles, Compare_RefusesAnotherKernel) {
  ASSERT_TRUE(MeasureBootFiles(vm_).ok());
  EXPECT_TRUE(CompareBootFiles(vm_).ok());
  Write("vmlinuz", "abd");
  const Status status = CompareBootFiles(vm_);
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), HasSubstr("differs from the primary's"));
}

}  // namespace
}  // namespace ft::replay
