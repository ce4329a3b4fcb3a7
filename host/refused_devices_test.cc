// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/refused_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace ft::host {
namespace {

using ::testing::HasSubstr;
using ::testing::StrEq;

TEST(RefusedDevices, AreMatchedByAnyPartOfTheName) {
  EXPECT_THAT(RefusalOf("vhost-net-pci").word, StrEq("vhost"));
  EXPECT_THAT(RefusalOf("vhost-user-net").word, StrEq("vhost-user"));
  EXPECT_THAT(RefusalOf("VirtIO_FS").word, StrEq("virtio-fs"));
  EXPECT_THAT(RefusalOf("virtio-rng-pci").word, StrEq("rng"));
  EXPECT_THAT(RefusalOf("intel-hda").word, StrEq("hda"));
}

// A row that stands behind a shorter word could never be found.
TEST(RefusedDevices, EveryRowIsFoundByItsOwnName) {
  std::set<std::string> words;
  for (const RefusedDevice& row : RefusedDevices()) {
    EXPECT_THAT(RefusalOf(row.word).word, StrEq(row.word));
    EXPECT_TRUE(words.insert(row.word).second) << row.word;
    EXPECT_THAT(row.instead, ::testing::Not(StrEq(""))) << row.word;
  }
}

TEST(RefusedDevices, WhatNobodyHasHeardOfIsToldWhatThereIs) {
  EXPECT_THAT(RefusalOf("flux-capacitor").instead, HasSubstr("[[disk]]"));
  EXPECT_THAT(RefusalOf("").instead, HasSubstr("[[nic]]"));
}

TEST(RefusedDevices, AreTheListOfTheManual) {
  std::ifstream in(FT_SOURCE_DIR "/docs/operations.md");
  std::ostringstream text;
  text << in.rdbuf();
  for (const RefusedDevice& row : RefusedDevices()) {
    EXPECT_THAT(text.str(), HasSubstr("`" + std::string(row.word) + "`"));
  }
}

}  // namespace
}  // namespace ft::host
