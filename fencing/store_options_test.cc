// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/store_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fencing/scratch_directory.h"
#include "fencing/store_factory.h"

namespace ft::fencing {
namespace {

using ::testing::HasSubstr;
using Backend = StoreOptions::Backend;

StoreOptions Parsed(const std::string& url) {
  const auto options = ParseStoreUrl(url);
  EXPECT_TRUE(options.ok()) << url << options.status().ToString();
  return options.ok() ? *options : StoreOptions();
}

TEST(StoreUrl, SaysWhichStore) {
  for (const char* url : {"/srv/lockstep", "file:///srv/lockstep"}) {
    EXPECT_EQ(Describe(Parsed(url)), "shared directory /srv/lockstep");
  }
  EXPECT_EQ(Describe(Parsed("nbd://10.0.0.9:10809")),
            "disk service 10.0.0.9:10809");
  EXPECT_EQ(Describe(Parsed("nbd+unix:///run/disk.sock")),
            "disk service /run/disk.sock");
  EXPECT_EQ(Describe(Parsed("iscsi://san:3260/iqn.2001-05.x:y/1")),
            "iSCSI LUN iscsi://san:3260/iqn.2001-05.x:y/1");
  const auto etcd = Parsed("http://a:2379,https://b:2379");
  EXPECT_EQ(etcd.backend, Backend::kEtcd);
  EXPECT_EQ(etcd.etcd.endpoints,
            (std::vector<std::string>{"http://a:2379", "https://b:2379"}));
}

TEST(StoreUrl, WhatIsNoneIsRefusedInOneLine) {
  for (const char* url :
       {"", "srv", "file://srv", "nbd://", "iscsi://", "iscsi:///x/1",
        "iscsi://san/iqn", "iscsi://san/iqn/1/2", "iscsi://san/iqn/", "http://",
        "http://a,b", "ftp://a", "a b"}) {
    const auto options = ParseStoreUrl(url);
    ASSERT_FALSE(options.ok()) << url;
    EXPECT_EQ(options.status().code(), Code::kInvalid);
    EXPECT_THAT(options.status().ToString(), HasSubstr("; write ")) << url;
  }
}

TEST(StoreUrl, PasswordsDoNotBelongIntoUrls) {
  const auto options = ParseStoreUrl("iscsi://user%secret@san/iqn.x/1");
  EXPECT_THAT(options.status().ToString(), HasSubstr("chap_password_file"));
  EXPECT_EQ(options.status().ToString().find("secret"), std::string::npos);
}

TEST(StoreFactory, PasswordIsTheFirstLineOfItsFile) {
  const ScratchDirectory scratch;
  StoreOptions options = Parsed("iscsi://san/iqn.x/1");
  options.iscsi_password_file = scratch.path() / "password";
  EXPECT_THAT(MakeStore(options).status().ToString(),
              HasSubstr("password has no password; write it"));
  WriteFile(options.iscsi_password_file, "of twelve letters\nand more\n");
  EXPECT_EQ(WithPassword(options).value().iscsi.password, "of twelve letters");
  EXPECT_TRUE(MakeStore(options).ok());
}

TEST(StoreFactory, OnlyLunsAreFormatted) {
  EXPECT_THAT(FormatStore(Parsed("/srv/lockstep"), true).ToString(),
              HasSubstr("needs no formatting"));
}

}  // namespace
}  // namespace ft::fencing
