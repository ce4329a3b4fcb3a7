// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace ft::replay {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using ::testing::StartsWith;

EngineOptions Options() {
  EngineOptions options;
  options.binary = "/opt/engine/bin/qemu-system-x86_64";
  options.vm = {.name = "vm1",
                .uuid = "3fa1c1de-0000-5000-8000-000000000001",
                .memory_mib = 256,
                .kernel = "/boot/vmlinuz",
                .initrd = "/boot/initrd.gz",
                .cmdline = "console=ttyS0 quiet",
                .nics = {{.mac = "52:54:00:12:34:56", .bridge = "br0"}},
                .kernel_sha256 = "",
                .initrd_sha256 = ""};
  options.ring_path = "/dev/shm/ring";
  options.qmp_path = "/run/vm1.qmp";
  options.console_log = "/log/vm1.console";
  options.stderr_log = "/log/vm1.engine";
  options.taps = {"tap0"};
  return options;
}

TEST(EngineCommand, IsTheDocumentedOne) {
  EXPECT_THAT(
      EngineCommand(Options()),
      ElementsAre(
          "/opt/engine/bin/qemu-system-x86_64", "-L", "/opt/engine/share",
          "-name", "vm1", "-uuid", "3fa1c1de-0000-5000-8000-000000000001",
          "-machine", "pc,accel=tcg", "-cpu", "qemu64", "-smp", "1", "-m",
          "256", "-mem-prealloc", "-nodefaults", "-no-user-config", "-display",
          "none", "-rtc", "base=utc,clock=vm", "-kernel", "/boot/vmlinuz",
          "-initrd", "/boot/initrd.gz", "-append", "console=ttyS0 quiet",
          "-icount", "shift=2,rr=ft,rrfile=/dev/shm/ring", "-serial",
          "file:/log/vm1.console", "-monitor", "none", "-netdev",
          "tap,id=n0,ifname=tap0,script=no,downscript=no,vhost=off", "-device",
          "virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56,romfile=", "-object",
          "filter-ft,id=f0,netdev=n0", "-qmp",
          "unix:/run/vm1.qmp,server=on,wait=off"));
}

TEST(EngineCommand, Backup_DiffersByIncomingAlone) {
  EngineOptions backup = Options();
  backup.incoming = "tcp:0.0.0.0:7610";
  auto expected = EngineCommand(Options());
  expected.insert(expected.end(), {"-incoming", "tcp:0.0.0.0:7610"});
  EXPECT_EQ(EngineCommand(backup), expected);
}

TEST(EngineCommand, NoInitrd_HasNoInitrdOption) {
  EngineOptions options = Options();
  options.vm.initrd.clear();
  EXPECT_THAT(EngineCommand(options), Not(Contains("-initrd")));
}

TEST(EngineCommand, CommasInPathsAreDoubledWhereQemuSplits) {
  EngineOptions options = Options();
  options.ring_path = "/dev/shm/a,b";
  options.console_log = "/log/a,b";
  options.vm.cmdline = "console=ttyS0,115200";
  const auto argv = EngineCommand(options);
  EXPECT_THAT(argv, Contains("shift=2,rr=ft,rrfile=/dev/shm/a,,b"));
  EXPECT_THAT(argv, Contains("file:/log/a,b"));
  EXPECT_THAT(argv, Contains("console=ttyS0,115200"));
}

TEST(EngineCommand, SecondNic_GetsItsOwnIds) {
  EngineOptions options = Options();
  options.vm.nics.push_back({.mac = "52:54:00:12:34:57", .bridge = "br1"});
  options.taps.push_back("tap1");
  const auto argv = EngineCommand(options);
  EXPECT_THAT(argv, Contains(HasSubstr("tap,id=n1,ifname=tap1,")));
  EXPECT_THAT(argv, Contains("filter-ft,id=f1,netdev=n1"));
}

// What follows the last option that every VM has.
std::vector<std::string> DeviceArguments(const VmDefinition& vm) {
  EngineOptions options = Options();
  options.vm = vm;
  options.vm.nics.clear();
  const auto argv = EngineCommand(options);
  const auto begin = std::find(argv.begin(), argv.end(), "-monitor") + 2;
  return {begin, std::find(begin, argv.end(), "-qmp")};
}

TEST(EngineCommand, E1000_IsOneNicModelOfTwo) {
  EngineOptions options = Options();
  options.vm.nics[0].model = "e1000";
  const auto argv = EngineCommand(options);
  EXPECT_THAT(argv, Contains("e1000,netdev=n0,mac=52:54:00:12:34:56,romfile="));
  EXPECT_THAT(argv, Contains("filter-ft,id=f0,netdev=n0"));
}

TEST(EngineCommand, SharedDisk_IsThreeNodesAndADevice) {
  VmDefinition vm = Options().vm;
  vm.disks = {{.path = "/srv/a,b.img"}};
  EXPECT_THAT(
      DeviceArguments(vm),
      ElementsAre(
          "-blockdev",
          "driver=file,node-name=d0f,filename=/srv/a,,b.img,"
          "cache.direct=on,discard=unmap,locking=off",
          "-blockdev", "driver=raw,node-name=d0r,file=d0f,discard=unmap",
          "-blockdev",
          "driver=ft,node-name=d0,file=d0r,discard=unmap,mode=shared,reads=log",
          "-device", "virtio-blk-pci,drive=d0,werror=report,rerror=report"));
}

TEST(EngineCommand, WhoHasADisksImageAndReadsIt_IsSaidToTheFilter) {
  VmDefinition vm = Options().vm;
  vm.disks = {{.path = "/srv/a", .reads = "backup"},
              {.path = "/srv/b", .mode = "private"}};
  const auto argv = DeviceArguments(vm);
  EXPECT_THAT(argv, Contains("driver=ft,node-name=d0,file=d0r,discard=unmap,"
                             "mode=shared,reads=backup"));
  EXPECT_THAT(argv, Contains("driver=ft,node-name=d1,file=d1r,discard=unmap,"
                             "mode=private,reads=log"));
  // It is one host's: nobody else may have it open.
  EXPECT_THAT(argv, Contains("driver=file,node-name=d1f,filename=/srv/b,"
                             "cache.direct=on,discard=unmap"));
}

TEST(EngineCommand, DiskOfAService_IsOpenedByThisEngineAndNoOther) {
  EngineOptions options = Options();
  options.vm.disks = {{.path = "nbd://10.0.0.5:10809/vm1-root"}};
  options.writer = {.host = "hostB", .epoch = 7};
  EXPECT_THAT(EngineCommand(options),
              Contains("driver=nbd,node-name=d0f,server.type=inet,"
                       "server.host=10.0.0.5,server.port=10809,"
                       "export=vm1-root;epoch=7;host=hostB,reconnect-delay=300,"
                       "discard=unmap"));
}

TEST(EngineCommand, IscsiDisk_IsOpenedByTheEngineItself) {
  EngineOptions options = Options();
  options.vm.disks = {{.path = "iscsi://10.0.0.5/iqn.2026-11.com.example:a/1"}};
  options.writer = {.host = "hostB", .epoch = 7};
  EXPECT_THAT(
      EngineCommand(options),
      IsSupersetOf({"driver=iscsi,node-name=d0f,transport=tcp,"
                    "portal=10.0.0.5:3260,target=iqn.2026-11.com.example:a,"
                    "lun=1,initiator-name=iqn.2026-11.local.lockstep:hostB,"
                    "timeout=30,cache.direct=on,discard=unmap",
                    "driver=raw,node-name=d0r,file=d0f,discard=unmap"}));
}

TEST(EngineCommand, ScsiDisks_ShareOneController) {
  VmDefinition vm = Options().vm;
  vm.disks = {{.path = "/dev/vg/a", .bus = "virtio-scsi"},
              {.path = "/srv/b", .bus = "virtio-scsi"},
              {.path = "/srv/c"}};
  EXPECT_THAT(
      DeviceArguments(vm),
      ElementsAre("-device", "virtio-scsi-pci,id=scsi0", "-blockdev",
                  "driver=host_device,node-name=d0f,filename=/dev/vg/a,"
                  "cache.direct=on,discard=unmap,locking=off",
                  "-blockdev",
                  "driver=raw,node-name=d0r,file=d0f,discard=unmap",
                  "-blockdev", StartsWith("driver=ft,node-name=d0,file=d0r,"),
                  "-device", StartsWith("scsi-hd,drive=d0,bus=scsi0.0,"),
                  "-blockdev", HasSubstr("filename=/srv/b,"), "-blockdev",
                  HasSubstr("d1r"), "-blockdev", HasSubstr("node-name=d1,"),
                  "-device", StartsWith("scsi-hd,drive=d1,bus=scsi0.0"),
                  "-blockdev", HasSubstr("filename=/srv/c,"), "-blockdev",
                  HasSubstr("d2r"), "-blockdev", HasSubstr("node-name=d2,"),
                  "-device", StartsWith("virtio-blk-pci,drive=d2")));
}

TEST(EngineCommand, DisplayAndTablet) {
  VmDefinition vm = Options().vm;
  EXPECT_THAT(DeviceArguments(vm), ElementsAre());
  vm.video = "vga";
  vm.tablet = true;
  EXPECT_THAT(DeviceArguments(vm),
              ElementsAre("-device", "VGA", "-device", "piix3-usb-uhci,id=usb",
                          "-device", "usb-tablet,bus=usb.0"));
}

TEST(EngineCommand, SerialInput_IsASocketThatLogs) {
  EngineOptions options = Options();
  options.vm.serial_input = true;
  options.serial_path = "/run/vm1.serial";
  const auto argv = EngineCommand(options);
  EXPECT_THAT(argv, Not(Contains("file:/log/vm1.console")));
  EXPECT_THAT(argv, Contains("socket,id=serial0,path=/run/vm1.serial,"
                             "server=on,wait=off,logfile=/log/vm1.console,"
                             "logappend=off"));
  EXPECT_THAT(argv, Contains("chardev:serial0"));
}

TEST(FormatCommand, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(FormatCommand({"qemu", "-append", "a b", "it's", "", "x=1,y"}),
            "qemu -append 'a b' 'it'\\''s' '' x=1,y");
}

}  // namespace
}  // namespace ft::replay
