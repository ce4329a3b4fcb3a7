// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/iscsi_disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ft::replay {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(IscsiDisk, PathNamesPortalTargetAndLun) {
  const auto disk =
      ParseIscsiPath("iscsi://10.0.0.5:3261/iqn.2001-05.com.example:vm1/7");
  ASSERT_TRUE(disk.ok());
  EXPECT_EQ(disk->host, "10.0.0.5");
  EXPECT_EQ(disk->port, 3261);
  EXPECT_EQ(disk->target, "iqn.2001-05.com.example:vm1");
  EXPECT_EQ(disk->lun, 7);
  EXPECT_EQ(ParseIscsiPath("iscsi://san/eui.02004567A425678D/0")->port, 3260);
  EXPECT_EQ(ParseIscsiPath("iscsi://[fd00::5]/naa.5000/16383")->host,
            "fd00::5");
}

TEST(IscsiDisk, NearMissesAreRefused) {
  for (const char* path : {"iscsi://",
                           "iscsi:///iqn.a/0",
                           "iscsi://h/0",
                           "iscsi://h/iqn.a",
                           "iscsi://h/iqn.a/",
                           "iscsi://h/iqn.a/0/0",
                           "iscsi://h/iqn.a/x",
                           "iscsi://h/iqn.a/-1",
                           "iscsi://h/iqn.a/+1",
                           "iscsi://h/iqn.a/0x1",
                           "iscsi://h/iqn.a/16384",
                           "iscsi://h/iqn.a/70000",
                           "iscsi://h/iqn./0",
                           "iscsi://h/vm1/0",
                           "iscsi://h/iqn.a,lun=1/0",
                           "iscsi://h/iqn.a\n/0",
                           "iscsi://h/iqn.a/0,lun=1",
                           "iscsi://h/iqn.a/0?header_digest=crc32c",
                           "iscsi://h,x:1/iqn.a/0",
                           "iscsi://h:/iqn.a/0",
                           "iscsi://h:0/iqn.a/0",
                           "iscsi://h:65536/iqn.a/0",
                           "iscsi://fd00::5/iqn.a/0",
                           "iser://h/iqn.a/0",
                           "/d"}) {
    EXPECT_FALSE(ParseIscsiPath(path).ok()) << path;
  }
  EXPECT_FALSE(
      ParseIscsiPath("iscsi://h/iqn." + std::string(220, 'a') + "/0").ok());
}

TEST(IscsiDisk, PathWithAPasswordIsRefusedAndNotRepeated) {
  const Status status = ParseIscsiPath("iscsi://joe%secret@h/iqn.a/0").status();
  EXPECT_THAT(status.message(), HasSubstr("CHAP is not supported"));
  EXPECT_THAT(status.ToString(), Not(HasSubstr("secret")));
  EXPECT_THAT(status.remedy(), HasSubstr("iqn.2026-11.local.lockstep:HOST"));
}

TEST(IscsiDisk, EngineLogsInAsItsHostAndRemembersNothingOfTheDisk) {
  EXPECT_EQ(IscsiNodeOptions({"10.0.0.5", 3260, "iqn.a:b", 1}, {"hostB", 7}),
            "transport=tcp,portal=10.0.0.5:3260,target=iqn.a:b,lun=1,"
            "initiator-name=iqn.2026-11.local.lockstep:hostB,timeout=30,"
            "cache.direct=on");
  EXPECT_THAT(IscsiNodeOptions({"fd00::5", 1, "iqn.a", 0}, {"hostB", 7}),
              HasSubstr("portal=[fd00::5]:1,"));
}

}  // namespace
}  // namespace ft::replay
