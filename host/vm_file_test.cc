// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

namespace ft::host {
namespace {

using ::testing::HasSubstr;

constexpr char kVm[] =
    "name = \"vm1\"\nmemory_mib = 128\nkernel = \"/boot/k\"\n"
    "initrd = \"/boot/i\"\ncmdline = \"console=ttyS0\"\n";
constexpr char kNic[] =
    "[[nic]]\nmac = \"52:54:00:00:00:0A\"\nbridge = \"br0\"\n";

std::string Refusal(const std::string& text) {
  auto vm = ParseVmFile(text, "vm1.toml");
  EXPECT_FALSE(vm.ok()) << text;
  EXPECT_EQ(vm.status().code(), Code::kInvalid);
  std::string line = vm.status().ToString();
  EXPECT_EQ(line.find('\n'), std::string::npos) << line;
  return line;
}

std::string With(const std::string& lines) { return kVm + lines; }

TEST(VmFile, IsRead) {
  auto vm = ParseVmFile(With(kNic), "vm1.toml");
  ASSERT_TRUE(vm.ok()) << vm.status().ToString();
  EXPECT_EQ(vm->name, "vm1");
  EXPECT_EQ(vm->memory_mib, 128u);
  ASSERT_EQ(vm->nics.size(), 1u);
  EXPECT_EQ(vm->nics[0].mac, "52:54:00:00:00:0a");
  EXPECT_EQ(vm->nics[0].model, "virtio-net");
  EXPECT_EQ(vm->uuid, replay::UuidFromName("vm1"));
}

TEST(VmFile, ExampleInDocsParses) {
  std::ifstream in(FT_SOURCE_DIR "/docs/vm.example.toml");
  std::ostringstream text;
  text << in.rdbuf();
  auto vm = ParseVmFile(text.str(), "vm.example.toml");
  ASSERT_TRUE(vm.ok()) << vm.status().ToString();
  EXPECT_EQ(vm->nics.size(), 1u);
}

TEST(VmFile, FormatIsParsedBack) {
  auto vm = ParseVmFile(With(kNic), "vm1.toml");
  ASSERT_TRUE(vm.ok());
  vm->cmdline = "a=\"b\\c\"\tx";
  auto again = ParseVmFile(FormatVmFile(*vm), "formatted");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, *vm);
}

TEST(VmFile, TwoVcpusAreRefused) {
  EXPECT_EQ(Refusal(With("vcpus = 2\n")),
            "vm1: 2 vCPUs: Lockstep replays exactly one; set vcpus = 1");
  EXPECT_TRUE(ParseVmFile(With("vcpus = 1\n"), "vm1.toml").ok());
}

TEST(VmFile, DevicesAreRefusedByNameWithWhatToUse) {
  auto device = [](const std::string& model) {
    return Refusal(With("[[device]]\nmodel = \"" + model + "\"\n"));
  };
  for (const char* model : {"vhost-net", "vhost-user-net"}) {
    EXPECT_THAT(device(model), HasSubstr(model));
    EXPECT_THAT(device(model), HasSubstr("virtio-net"));
  }
  EXPECT_THAT(device("vfio-pci"), HasSubstr("cannot be replayed"));
  EXPECT_THAT(device("virtio-fs"), HasSubstr("initrd"));
  EXPECT_THAT(device("virtio-balloon"), HasSubstr("memory_mib"));
  EXPECT_THAT(device("floppy"), HasSubstr("supported devices"));
}

TEST(VmFile, DevicesAsKeysAreRefusedToo) {
  EXPECT_THAT(Refusal(With("balloon = true\n")), HasSubstr("memory_mib"));
  EXPECT_THAT(Refusal(With("[[disk]]\npath = \"/x\"\n")), HasSubstr("initrd"));
}

TEST(VmFile, OtherNicModelsAreRefused) {
  std::string line = Refusal(With(std::string(kNic) + "model = \"e1000\"\n"));
  EXPECT_THAT(line, HasSubstr("e1000"));
  EXPECT_THAT(line, HasSubstr("virtio-net"));
}

TEST(VmFile, BadMacIsRefused) {
  for (const char* mac : {"52:54:00:00:00", "52-54-00-00-00-01",
                          "zz:54:00:00:00:01", "01:00:5e:00:00:01"}) {
    EXPECT_THAT(Refusal(With(std::string("[[nic]]\nmac = \"") + mac +
                             "\"\nbridge = \"br0\"\n")),
                HasSubstr("MAC"));
  }
  EXPECT_THAT(Refusal(With(std::string(kNic) + kNic)),
              HasSubstr("two NICs have the MAC"));
}

TEST(VmFile, UnknownKeysAreRefusedByNameAndLine) {
  EXPECT_THAT(Refusal(With("memroy = 3\n")),
              HasSubstr("vm1.toml:6: unknown key memroy"));
  EXPECT_THAT(Refusal(With(std::string(kNic) + "vlan = 3\n")),
              HasSubstr("nic[0].vlan"));
}

TEST(VmFile, NamesAndPathsAreChecked) {
  EXPECT_THAT(Refusal("name = \"../x\"\nkernel = \"/k\"\n"),
              HasSubstr("cannot be a VM's name"));
  EXPECT_THAT(Refusal("name = \"v\"\nkernel = \"k\"\n"),
              HasSubstr("not an absolute path"));
  EXPECT_THAT(Refusal("name = \"v\"\n"), HasSubstr("kernel is missing"));
}

TEST(VmFile, MissingBootFilesAreNamed) {
  auto vm = ParseVmFile(kVm, "vm1.toml");
  ASSERT_TRUE(vm.ok());
  vm->kernel = "/nowhere/vmlinuz";
  EXPECT_THAT(CheckBootFiles(*vm).message(), HasSubstr("/nowhere/vmlinuz"));
  vm->kernel = "/dev/null";
  vm->initrd = "/";
  EXPECT_THAT(CheckBootFiles(*vm).message(), HasSubstr("initrd"));
  vm->initrd = "";
  EXPECT_TRUE(CheckBootFiles(*vm).ok());
}

}  // namespace
}  // namespace ft::host
