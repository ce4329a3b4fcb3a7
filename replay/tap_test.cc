// SPDX-License-Identifier: GPL-2.0-or-later
//
// Each test runs in a network namespace of its own, which takes every
// interface with it when the next one (or the process) ends. Needs root.
#include "replay/tap.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "logchannel/scoped_fd.h"

namespace ft::replay {
namespace {

using ::testing::HasSubstr;

class TapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno);
    control_ = ScopedFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(ioctl(control_.get(), SIOCBRADDBR, "br0"), 0)
        << std::strerror(errno);
  }

  // As QEMU does.
  ScopedFd OpenAsEngine(const std::string& tap) {
    ScopedFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
    ifreq request = {};
    tap.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return ScopedFd();
    return fd;
  }

  ScopedFd control_;
};

TEST(TapName, IsReadableOrAHash) {
  EXPECT_EQ(TapName("vm1", 0), "ft-vm1-0");
  EXPECT_EQ(TapName("tenletters", 1), "ft-tenletters-1");
  const std::string hashed = TapName("a-rather-long-name", 0);
  EXPECT_EQ(hashed.size(), 13u);
  EXPECT_NE(hashed, TapName("a-rather-long-nama", 0));
}

TEST_F(TapTest, Create_MakesAPortThatAnEngineOpens) {
  Status created = CreateTap("ft-vm1-0", "br0");
  ASSERT_TRUE(created.ok()) << created.ToString();
  EXPECT_FALSE(HasCarrier("ft-vm1-0"));  // nobody has it open
  ScopedFd engine = OpenAsEngine("ft-vm1-0");
  EXPECT_TRUE(engine.valid());
  EXPECT_TRUE(HasCarrier("ft-vm1-0"));
  // A port of a bridge cannot be added to it again.
  ifreq request = {};
  std::strcpy(request.ifr_name, "br0");
  request.ifr_ifindex = static_cast<int>(if_nametoindex("ft-vm1-0"));
  EXPECT_NE(ioctl(control_.get(), SIOCBRADDIF, &request), 0);
  EXPECT_EQ(errno, EBUSY);
}

TEST_F(TapTest, Create_ReplacesALeftOver) {
  ASSERT_TRUE(CreateTap("ft-vm1-0", "br0").ok());
  const unsigned before = if_nametoindex("ft-vm1-0");
  ASSERT_TRUE(CreateTap("ft-vm1-0", "br0").ok());
  EXPECT_NE(if_nametoindex("ft-vm1-0"), before);
}

TEST_F(TapTest, Delete_RemovesAndIsHarmlessTwice) {
  ASSERT_TRUE(CreateTap("ft-vm1-0", "br0").ok());
  EXPECT_TRUE(DeleteTap("ft-vm1-0").ok());
  EXPECT_EQ(if_nametoindex("ft-vm1-0"), 0u);
  EXPECT_TRUE(DeleteTap("ft-vm1-0").ok());
}

TEST_F(TapTest, TapOfALiveEngine_IsLeftAlone) {
  ASSERT_TRUE(CreateTap("ft-vm1-0", "br0").ok());
  ScopedFd engine = OpenAsEngine("ft-vm1-0");
  const Status status = CreateTap("ft-vm1-0", "br0");
  EXPECT_EQ(status.code(), Code::kFailed);
  EXPECT_EQ(status.message(), "tap ft-vm1-0 is in use");
  EXPECT_NE(if_nametoindex("ft-vm1-0"), 0u);
}

TEST_F(TapTest, Errors_NameTheInterfaceAndLeaveNothing) {
  Status status = CreateTap("ft-vm1-0", "br9");
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_EQ(status.message(), "bridge br9 does not exist");
  EXPECT_THAT(status.remedy(), HasSubstr("ip link add br9 type bridge"));
  status = CreateTap("ft-vm1-0", "lo");
  EXPECT_EQ(status.message(), "interface lo is no bridge");
  EXPECT_EQ(if_nametoindex("ft-vm1-0"), 0u);
  status = CreateTap("br0", "br0");
  EXPECT_EQ(status.message(), "interface br0 exists and is no tap");
  status = CreateTap("sixteen-letters-", "br0");
  EXPECT_THAT(status.message(), HasSubstr("is no interface name"));
}

}  // namespace
}  // namespace ft::replay
