// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/nbd_disk.h"

#include <gtest/gtest.h>

namespace ft::replay {
namespace {

TEST(NbdDisk, PathNamesHostPortAndDisk) {
  const auto disk = ParseNbdPath("nbd://10.0.0.5:10809/vm1-root");
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(disk->host, "10.0.0.5");
  EXPECT_EQ(disk->port, 10809);
  EXPECT_EQ(disk->disk, "vm1-root");
  EXPECT_EQ(ParseNbdPath("nbd://[fd00::5]:10809/d")->host, "fd00::5");
  EXPECT_EQ(ParseNbdPath("nbd://store-1.example:1/d")->port, 1);
}

TEST(NbdDisk, NearMissesAreRefused) {
  for (const char* path :
       {"nbd://", "nbd:///d", "nbd://h/d", "nbd://h:/d", "nbd://h:0/d",
        "nbd://h:65536/d", "nbd://h:1", "nbd://h:1/", "nbd://h:1/a/b",
        "nbd://h:1/d?x=1", "nbd://h:1/d;epoch=1;host=a", "nbd://h:1/record",
        "nbd://h,port=2:1/d", "nbd://h:1/a,b", "nbd://fd00::5:1/d",
        "nbd://h:+1/d", "nbd://h :1/d", "nbd+unix:///d?socket=/s", "/d"}) {
    EXPECT_FALSE(ParseNbdPath(path).ok()) << path;
  }
}

TEST(NbdDisk, EngineSaysWhoItIsAndWaitsForAServiceThatIsRestarted) {
  EXPECT_EQ(NbdNodeOptions({"10.0.0.5", 10809, "vm1-root"}, {"hostB", 7}),
            "server.type=inet,server.host=10.0.0.5,"
            "server.port=10809,export=vm1-root;epoch=7;host=hostB,"
            "reconnect-delay=300");
}

}  // namespace
}  // namespace ft::replay
