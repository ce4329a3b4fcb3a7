// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/network_address.h"

#include <gtest/gtest.h>

namespace ft::replay {
namespace {

TEST(NetworkAddress, HostAndPort) {
  const auto address = ParseNetworkAddress("store-1.example:65535");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->host, "store-1.example");
  EXPECT_EQ(address->port, 65535);
  const auto v6 = ParseNetworkAddress("[fe80::5%eth0]:1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "fe80::5%eth0");
  EXPECT_EQ(v6->port, 1);
}

TEST(NetworkAddress, PortMayHaveADefault) {
  EXPECT_FALSE(ParseNetworkAddress("h"));
  EXPECT_EQ(ParseNetworkAddress("h", 3260)->port, 3260);
  EXPECT_EQ(ParseNetworkAddress("[::1]", 3260)->port, 3260);
  EXPECT_EQ(ParseNetworkAddress("h:1", 3260)->port, 1);
}

TEST(NetworkAddress, NearMisses) {
  for (const char* text :
       {"",     ":1",      "h:",    "h:0",     "h:65536",   "h:+1",
        "h:1 ", "h :1",    "h,x:1", "fd00::5", "fd00::5:1", "[",
        "[]",   "[]:1",    "[::1",  "[::1]1",  "[::1]x:1",  "[::1]:",
        "h]:1", "[h,x]:1", "h\n:1"}) {
    EXPECT_FALSE(ParseNetworkAddress(text, 3260)) << text;
  }
  const std::string too_long(254, 'h');
  EXPECT_FALSE(ParseNetworkAddress(too_long, 3260));
}

}  // namespace
}  // namespace ft::replay
