// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/export_name.h"

#include <gtest/gtest.h>

namespace ft::shared_disk {
namespace {

TEST(ExportName, IsReadAsItWasWritten) {
  for (const char* text :
       {"vm1-root;epoch=7;host=hostB", "vm1-root", "record;vm=vm1",
        "d;epoch=18446744073709551615;host=h", "epoch", "record.2"}) {
    const auto name = ParseExportName(text);
    ASSERT_TRUE(name.ok()) << text;
    EXPECT_EQ(FormatExportName(*name), text);
  }
}

TEST(ExportName, NamesDiskEpochAndHost) {
  const auto name = ParseExportName("vm1-root;epoch=7;host=hostB");
  ASSERT_TRUE(name.ok());
  const auto& disk = std::get<DiskExport>(*name);
  EXPECT_EQ(disk.disk, "vm1-root");
  EXPECT_EQ(disk.writer, (Writer{.host = "hostB", .epoch = 7}));
}

TEST(ExportName, NearMissesAreRefused) {
  for (const char* text : {"",
                           ";",
                           "vm1;",
                           "vm1;epoch=7",
                           "vm1;host=hostB",
                           "vm1;epoch=7;host=",
                           "vm1;host=hostB;epoch=7",
                           "vm1;epoch=07;host=hostB",
                           "vm1;epoch=+7;host=hostB",
                           "vm1;epoch=0;host=hostB",
                           "vm1;epoch=-1;host=hostB",
                           "vm1;epoch=7x;host=hostB",
                           "vm1;epoch= 7;host=hostB",
                           "vm1; epoch=7;host=hostB",
                           "vm1;epoch=18446744073709551616;host=hostB",
                           "vm1;epoch=7;host=hostB;",
                           "vm1;epoch=7;host=a/b",
                           "vm1;epoch=7;host=hostB;readonly=1",
                           "../vm1",
                           "/vm1",
                           "vm1\n",
                           ".vm1;epoch=7;host=hostB",
                           "record",
                           "record;vm=",
                           "record;vm=..",
                           "record;vm=vm1;",
                           "record;epoch=7;host=hostB"}) {
    EXPECT_FALSE(ParseExportName(text).ok()) << text;
  }
}

TEST(ExportName, WhatAStrangerSentIsShownWithCare) {
  const auto name = ParseExportName("a\x1b[2J\n" + std::string(5000, 'x'));
  ASSERT_FALSE(name.ok());
  EXPECT_EQ(name.status().message().find_first_of("\x1b\n"), std::string::npos);
  EXPECT_LT(name.status().message().size(), 200u);
}

}  // namespace
}  // namespace ft::shared_disk
