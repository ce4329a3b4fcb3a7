// SPDX-License-Identifier: GPL-2.0-or-later
//
// What cannot be replayed is refused when the engine starts, in one line
// that names it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replay/tap.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/network_bed.h"

namespace ft::replay {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// The engine's one line on `arguments`.
std::string RefusalOf(std::vector<std::string> arguments) {
  EnginePair pair({.extra_arguments = std::move(arguments)});
  const Status status = pair.TryStartPrimary();
  EXPECT_EQ(status.code(), Code::kUnavailable) << status.ToString();
  EXPECT_THAT(status.message(), Not(HasSubstr("\n")));
  return status.message();
}

TEST(Engine, RefusesTwoVcpus) {
  EXPECT_THAT(RefusalOf({"-smp", "2"}), ContainsRegex("vCPU|smp|CPU"));
}

TEST(Engine, RefusesUnsupportedDevice) {
  EXPECT_THAT(RefusalOf({"-device", "virtio-balloon-pci"}),
              HasSubstr("balloon"));
  EXPECT_THAT(RefusalOf({"-object", "rng-random,id=r,filename=/dev/urandom",
                         "-device", "virtio-rng-pci,rng=r"}),
              HasSubstr("rng"));
  EXPECT_THAT(RefusalOf({"-device", "rtl8139"}), HasSubstr("rtl8139"));
  EXPECT_THAT(RefusalOf({"-device", "qemu-xhci"}), HasSubstr("xhci"));
}

TEST(Engine, RefusesVhost) {
  NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  ASSERT_TRUE(CreateTap("ft-v-0", kBridge).ok());
  const std::string refusal = RefusalOf(
      {"-netdev", "tap,id=v,ifname=ft-v-0,script=no,downscript=no,vhost=on",
       "-device", "virtio-net-pci,netdev=v,romfile="});
  EXPECT_THAT(refusal, HasSubstr("vhost"));
  EXPECT_TRUE(DeleteTap("ft-v-0").ok());
}

// A way into the guest past the log: nobody is told the VM was protected.
TEST(Engine, RefusesToCloneANicWithoutItsFilter) {
  EnginePair pair({.extra_arguments = {"-netdev", "user,id=u", "-device",
                                       "virtio-net-pci,netdev=u,romfile="}});
  const Status started = pair.TryStartPrimary();
  ASSERT_TRUE(started.ok()) << started.ToString();
  auto clone = pair.Await(pair.engine(Side::kPrimary).Clone("127.0.0.1", 1));
  EXPECT_EQ(clone.status().code(), Code::kFailed);
  EXPECT_THAT(clone.status().message(), HasSubstr("filter-ft"));
}

TEST(Engine, RefusesToProtectWithoutAClone) {
  EnginePair pair({});
  const Status started = pair.TryStartPrimary();
  ASSERT_TRUE(started.ok()) << started.ToString();
  auto position = pair.Await(pair.engine(Side::kPrimary).Protect());
  EXPECT_EQ(position.status().code(), Code::kFailed);
  EXPECT_THAT(position.status().message(), HasSubstr("clone"));
}

TEST(Engine, SaysThatThereIsNoSuchTap) {
  EXPECT_THAT(
      RefusalOf({"-netdev", "tap,id=x,ifname=lo,script=no,downscript=no"}),
      HasSubstr("lo"));
}

TEST(Engine, SaysThatTheClonePortIsInUse) {
  NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  EnginePair first({.extra_arguments = {"-incoming", "tcp:127.0.0.1:7610"}});
  const Status started = first.TryStartPrimary();
  ASSERT_TRUE(started.ok()) << started.ToString();
  EXPECT_THAT(RefusalOf({"-incoming", "tcp:127.0.0.1:7610"}),
              HasSubstr("Address already in use"));
}

}  // namespace
}  // namespace ft::replay
