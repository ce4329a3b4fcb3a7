// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ft::replay {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

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
          "256", "-nodefaults", "-no-user-config", "-display", "none", "-rtc",
          "base=utc,clock=vm", "-kernel", "/boot/vmlinuz", "-initrd",
          "/boot/initrd.gz", "-append", "console=ttyS0 quiet", "-icount",
          "shift=2,rr=ft,rrfile=/dev/shm/ring", "-serial",
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

TEST(FormatCommand, QuotesWhatAShellWouldSplit) {
  EXPECT_EQ(FormatCommand({"qemu", "-append", "a b", "it's", "", "x=1,y"}),
            "qemu -append 'a b' 'it'\\''s' '' x=1,y");
}

}  // namespace
}  // namespace ft::replay
