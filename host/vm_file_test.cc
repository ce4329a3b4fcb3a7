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
  vm->cmdline = "a=\"b\\c\"\tx \u00e9";
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
  EXPECT_THAT(device("virtio-blk-pci"), HasSubstr("use [[disk]]"));
  EXPECT_THAT(device("flux"), HasSubstr("remove it; there are"));
}

TEST(VmFile, DevicesAsKeysAreRefusedToo) {
  EXPECT_THAT(Refusal(With("balloon = true\n")), HasSubstr("memory_mib"));
  EXPECT_EQ(Refusal(With("kvm = true\n")),
            "vm1.toml:6: kvm cannot be replayed: its instructions are not "
            "counted; leave it out: the engine translates the guest's "
            "instructions");
  EXPECT_THAT(Refusal(With("iothreads = 1\n")), HasSubstr("for all disks"));
  EXPECT_THAT(Refusal(With("virtio_fs = \"/x\"\n")), HasSubstr("[[disk]]"));
  EXPECT_THAT(Refusal(With("cpu = \"host\"\n")), HasSubstr("qemu64"));
  EXPECT_THAT(Refusal(With("[[cdrom]]\npath = \"/x\"\n")),
              HasSubstr("image's path"));
}

TEST(VmFile, E1000IsANicModel) {
  auto vm = ParseVmFile(With(std::string(kNic) + "model = \"e1000\"\n"), "f");
  ASSERT_TRUE(vm.ok()) << vm.status().ToString();
  EXPECT_EQ(vm->nics[0].model, "e1000");
}

TEST(VmFile, OtherNicModelsAreRefused) {
  for (const char* model : {"e1000e", "rtl8139", "vhost-net"}) {
    std::string line =
        Refusal(With(kNic + ("model = \"" + std::string(model)) + "\"\n"));
    EXPECT_THAT(line, HasSubstr("NIC model " + std::string(model)));
    EXPECT_THAT(line, HasSubstr("use [[nic]] with model = \"virtio-net\""));
  }
}

constexpr char kDisks[] =
    "video = \"vga\"\ntablet = true\nserial_input = true\n"
    "[[disk]]\npath = \"/srv/a\"\n"
    "[[disk]]\npath = \"/dev/vg/b\"\nformat = \"raw\"\n"
    "bus = \"virtio-scsi\"\nmode = \"shared\"\nreads = \"backup\"\n";

TEST(VmFile, DisksAndConsoleAreRead) {
  auto vm = ParseVmFile(With(kDisks), "vm1.toml");
  ASSERT_TRUE(vm.ok()) << vm.status().ToString();
  const std::vector<replay::Disk> expected = {
      {.path = "/srv/a"},
      {.path = "/dev/vg/b", .bus = "virtio-scsi", .reads = "backup"}};
  EXPECT_EQ(vm->disks, expected);
  EXPECT_EQ(vm->video, "vga");
  EXPECT_TRUE(vm->tablet);
  EXPECT_TRUE(vm->serial_input);
  auto again = ParseVmFile(FormatVmFile(*vm), "formatted");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, *vm);
}

TEST(VmFile, OtherDisksAndDisplaysAreRefused) {
  auto disk = [](const std::string& lines) {
    return Refusal(With("[[disk]]\npath = \"/srv/a\"\n" + lines));
  };
  EXPECT_THAT(disk("bus = \"ide\"\n"), HasSubstr("use [[disk]] with bus"));
  EXPECT_THAT(disk("format = \"vmdk\"\n"), HasSubstr("\"qcow2\""));
  EXPECT_THAT(disk("mode = \"both\"\n"), HasSubstr("\"private\""));
  EXPECT_THAT(disk("format = \"qcow2\"\n"), HasSubstr("stale metadata"));
  EXPECT_THAT(disk("mode = \"private\"\nformat = \"qcow2\"\n"),
              HasSubstr("compared and copied as raw images"));
  EXPECT_THAT(disk("cache = \"none\"\n"), HasSubstr("disk[0].cache"));
  EXPECT_THAT(disk("[[disk]]\npath = \"/srv/a\"\n"),
              HasSubstr("are both /srv/a"));
  EXPECT_THAT(Refusal(With("[[disk]]\n")), HasSubstr("path is missing"));
  EXPECT_THAT(Refusal(With("video = \"qxl\"\n")),
              HasSubstr("use video = \"vga\""));
}

TEST(VmFile, PrivateDiskIsRead) {
  const std::string text =
      With("[[disk]]\npath = \"/srv/a\"\nmode = \"private\"\n");
  auto vm = ParseVmFile(text, "vm1.toml");
  ASSERT_TRUE(vm.ok()) << vm.status().ToString();
  EXPECT_EQ(vm->disks.at(0).mode, "private");
  auto again = ParseVmFile(FormatVmFile(*vm), "formatted");
  ASSERT_TRUE(again.ok()) << again.status().ToString();
  EXPECT_EQ(*again, *vm);
}

TEST(VmFile, MissingDiskIsNamed) {
  auto vm = ParseVmFile(kVm, "vm1.toml");
  ASSERT_TRUE(vm.ok());
  vm->kernel = "/dev/null";
  vm->initrd = "";
  vm->disks = {{.path = "/nowhere/root.img"}};
  EXPECT_THAT(CheckFiles(*vm).message(), HasSubstr("vm1: disk /nowhere/root"));
}

// QEMU would be started with the part before the NUL.
TEST(VmFile, ControlCharactersAreRefused) {
  for (const char* key : {"kernel", "initrd", "cmdline"}) {
    const std::string text =
        std::string("name = \"vm1\"\n") +
        (key == std::string("kernel") ? "" : "kernel = \"/boot/k\"\n") + key +
        " = \"/boot/k\\u0000x\"\n";
    EXPECT_THAT(Refusal(text),
                HasSubstr(std::string(key) + " has a control character"));
  }
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
  EXPECT_THAT(CheckFiles(*vm).message(), HasSubstr("/nowhere/vmlinuz"));
  vm->kernel = "/dev/null";
  vm->initrd = "/";
  EXPECT_THAT(CheckFiles(*vm).message(), HasSubstr("initrd"));
  vm->initrd = "";
  EXPECT_TRUE(CheckFiles(*vm).ok());
}

}  // namespace
}  // namespace ft::host
