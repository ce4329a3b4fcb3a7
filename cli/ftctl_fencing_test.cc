// SPDX-License-Identifier: GPL-2.0-or-later
//
// `ftctl fencing` against real storage, and ftd with each kind of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <string>

#include "cli/ftd_for_test.h"
#include "fencing/etcd_for_test.h"
#include "fencing/iscsi_format.h"
#include "fencing/istgt_for_test.h"
#include "fencing/store_factory.h"
#include "shared-disk/disk_service_for_test.h"

namespace ft::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

class FtctlFencingTest : public ::testing::Test {
 protected:
  Finished Ftctl(const std::vector<std::string>& arguments) const {
    return ftd_.Ftctl(arguments);
  }
  std::string shared() const { return ftd_.dir() / "shared"; }

  void ExpectTrusted(const std::string& url) const {
    const Finished test = Ftctl({"fencing", "test", url, "--rounds", "50"});
    EXPECT_EQ(test.exit_code, 0) << test.err << test.out;
    EXPECT_THAT(test.out, HasSubstr("ok      the first taker gets epoch 1"));
    EXPECT_THAT(test.out, HasSubstr("8 processes race 50 times"));
    EXPECT_THAT(test.out, HasSubstr(" can be trusted\n"));
    EXPECT_THAT(test.out, HasSubstr("not tried here: a lost reply"));
  }
  void ExpectRefused(const std::vector<std::string>& arguments,
                     const std::string& words) const {
    const Finished refused = Ftctl(arguments);
    EXPECT_EQ(refused.exit_code, 2) << refused.out;
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr(words));
    EXPECT_THAT(refused.err, HasSubstr("; "));
    EXPECT_EQ(std::ranges::count(refused.err, '\n'), 1) << refused.err;
  }
  // `vm1` runs on hostB in epoch 1, as `url` has it.
  static void TakeVm1(const std::string& url) {
    auto store = fencing::MakeStore(*fencing::ParseStoreUrl(url));
    ASSERT_TRUE((*store)->Probe().ok());
    ASSERT_EQ((*store)->Acquire("vm1", 0, "hostB").outcome,
              fencing::TestAndSetOutcome::kAcquired);
  }
  // ftd runs with [fencing] and these keys, and sees the record.
  void ExpectFtdUses(const std::string& keys, const std::string& url) {
    TakeVm1(url);
    ftd_.Unset("shared_dir");
    ftd_.Append("[fencing]\n" + keys);
    ftd_.Set("engine", "\"/bin/true\"");
    ASSERT_TRUE(ftd_.Start()) << ftd_.Log();
    Ftctl({"define",
           ftd_.Write("vm1.toml", "name = \"vm1\"\nkernel = \"/dev/null\"\n")});
    ExpectRefused({"start", "vm1"}, "vm1 is live on hostB (epoch 1)");
  }

  FtdForTest ftd_;
};

TEST_F(FtctlFencingTest, Directory_IsTestedAndLeftAsItWas) {
  TakeVm1(shared());
  ExpectTrusted(shared());
  EXPECT_EQ(std::distance(fs::directory_iterator(shared()), {}), 1);
  EXPECT_EQ(Ftctl({"fencing", "show", "vm1", shared()}).out,
            "vm1: epoch 1, held by hostB\n");
}

TEST_F(FtctlFencingTest, Lun_IsFormattedTestedAndLeftAsItWas) {
  fencing::IstgtForTest istgt;
  const std::string url = istgt.url();
  ExpectRefused({"fencing", "test", url}, "is not formatted; ftctl fencing");
  EXPECT_EQ(Ftctl({"fencing", "format", url}).out,
            "iSCSI LUN " + url + " is formatted\n");
  ExpectRefused({"fencing", "format", url}, "is formatted already");
  TakeVm1(url);
  ExpectTrusted(url);
  EXPECT_EQ(Ftctl({"fencing", "show", "vm1", url}).out,
            "vm1: epoch 1, held by hostB\n");
}

TEST_F(FtctlFencingTest, Etcd_IsTestedAndLeftAsItWas) {
  fencing::EtcdForTest etcd;
  TakeVm1(etcd.url());
  ExpectTrusted(etcd.url());
  EXPECT_EQ(Ftctl({"fencing", "show", "vm1", etcd.url()}).out,
            "vm1: epoch 1, held by hostB\n");
}

TEST_F(FtctlFencingTest, DiskService_IsTestedAndLeftAsItWas) {
  shared_disk::DiskServiceForTest service({.tcp = true, .disks = {}});
  const std::string url = "nbd://" + service.address();
  TakeVm1(url);
  ExpectTrusted(url);
  EXPECT_EQ(Ftctl({"fencing", "show", "vm1", url}).out,
            "vm1: epoch 1, held by hostB\n");
  service.Stop();
  const std::string records = shared_disk::RunDiskService(
      {"--records", "--config", service.config()});
  EXPECT_THAT(records, HasSubstr("vm1"));
  EXPECT_THAT(records, Not(HasSubstr("fencing-test")));
}

TEST_F(FtctlFencingTest, Json_SaysTheSame) {
  const Finished test =
      Ftctl({"fencing", "test", shared(), "--rounds", "20", "--json"});
  EXPECT_EQ(test.exit_code, 0) << test.err;
  auto report = boost::json::parse(test.out).as_object();
  EXPECT_EQ(report["trusted"], true);
  EXPECT_EQ(report["decisions"], 20);
  EXPECT_GT(report["steps"].as_array().size(), 15u);
  EXPECT_EQ(Ftctl({"fencing", "show", "vm7", shared(), "--json"}).out,
            "{\"vm\":\"vm7\",\"epoch\":null,\"holder\":null}\n");
}

TEST_F(FtctlFencingTest, Config_SaysWhichStore) {
  const std::string config = ftd_.WriteConfig();
  TakeVm1(shared());
  EXPECT_EQ(Ftctl({"fencing", "show", "vm1", "--config", config}).out,
            "vm1: epoch 1, held by hostB\n");
  ExpectRefused({"fencing", "show", "vm1", "--config", "/nowhere/ftd.toml"},
                "/nowhere/ftd.toml");
}

TEST_F(FtctlFencingTest, WhatIsNoStoreIsRefusedInOneLine) {
  ExpectRefused({"fencing", "test", "/nowhere"}, "/nowhere does not exist");
  ExpectRefused({"fencing", "test", "somewhere"},
                "names no test-and-set store");
  ExpectRefused({"fencing", "test", "http://127.0.0.1:1"}, "does not answer");
  ExpectRefused({"fencing", "format", shared()}, "needs no formatting");
  ExpectRefused({"fencing", "show", "../vm1", shared()}, "cannot be used");
  ExpectRefused({"fencing"}, "see ftctl --help");
}

// ---- ftd ----

TEST_F(FtctlFencingTest, Ftd_UsesALun) {
  fencing::IstgtForTest istgt;
  ASSERT_TRUE(fencing::FormatIscsi({.url = istgt.url()}, false).ok());
  ExpectFtdUses("backend = \"iscsi\"\nurl = \"" + istgt.url() + "\"\n",
                istgt.url());
}

TEST_F(FtctlFencingTest, Ftd_UsesAnEtcd) {
  fencing::EtcdForTest etcd;
  ExpectFtdUses("backend = \"etcd\"\nendpoints = [\"" + etcd.url() + "\"]\n",
                etcd.url());
  etcd.server().Kill();
  ExpectRefused({"start", "vm1"}, "etcd does not answer");
}

TEST_F(FtctlFencingTest, Ftd_RefusesALunThatIsNotFormatted) {
  fencing::IstgtForTest istgt;
  ftd_.Unset("shared_dir");
  ftd_.Append("[fencing]\nbackend = \"iscsi\"\nurl = \"" + istgt.url() +
              "\"\n");
  EXPECT_FALSE(ftd_.Start());
  EXPECT_EQ(ftd_.exit_code(), 2);
  EXPECT_THAT(ftd_.Log(), HasSubstr("is not formatted; ftctl fencing format"));
}

}  // namespace
}  // namespace ft::cli
