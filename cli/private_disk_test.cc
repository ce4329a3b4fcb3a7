// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who may start a VM with a private disk, as an operator meets it. Two real
// ftds; the guests only count, and both hosts are this machine, so the disk of
// both is the same file and nobody writes it: what is tested is who is let.
#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/ftd_pair_for_test.h"

namespace ft::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PrivateDiskTest : public FtdPairTest {
 protected:
  void SetUp() override {
    FtdPairTest::SetUp();
    StartBoth();
    const std::string disk = a_.Write("disk.img", "");
    fs::resize_file(disk, 3u << 20);
    const std::string kernel = a_.Write("vmlinuz", "kernel");
    file_ = a_.Write("vm1.toml", "name = \"vm1\"\nkernel = \"" + kernel +
                                     "\"\ncmdline = \"copy=30\"\n[[disk]]\n"
                                     "path = \"" +
                                     disk + "\"\nmode = \"private\"\n");
    Must(a_.Ftctl({"define", file_}));
    Must(a_.Ftctl({"start", "vm1"}));
  }
  void Protect(const FtdForTest& primary, const std::string& backup) {
    const Finished enabled =
        primary.Ftctl({"enable", "vm1", "--backup", backup});
    Must(enabled);
    EXPECT_THAT(enabled.err, HasSubstr("disk.img"));
  }
  static void KillEngine(const FtdForTest& ftd) {
    const pid_t pid = std::atoi(Field(ftd, "vm1", "engine_pid").c_str());
    ASSERT_GT(pid, 1);
    kill(pid, SIGKILL);
  }
  // hostA loses the VM to hostB.
  void FailOver() {
    Protect(a_, "hostB");
    KillEngine(a_);
    ASSERT_TRUE(Eventually([this] {
      return Field(b_, "vm1", "role") == "primary" &&
             Field(a_, "vm1", "state") == "halted" &&
             Field(a_, "vm1", "epoch") == "2";
    })) << Field(a_, "vm1", "why")
        << "; " << Field(b_, "vm1", "why");
  }
  static void ExpectStale(const FtdForTest& ftd, const std::string& words) {
    const Finished started = ftd.Ftctl({"start", "vm1"});
    EXPECT_EQ(started.exit_code, 2);
    EXPECT_THAT(started.err, HasSubstr("are not current: "));
    EXPECT_THAT(started.err, HasSubstr(words));
    EXPECT_THAT(started.err, HasSubstr("ftctl start vm1 --disks-are-current"));
    EXPECT_EQ(std::ranges::count(started.err, '\n'), 1) << started.err;
    EXPECT_EQ(Field(ftd, "vm1", "engine_running"), "false");
  }

  std::string file_;
};

TEST_F(PrivateDiskTest, ReplicaIsShownOnBothSides) {
  Protect(a_, "hostB");
  for (const FtdForTest* ftd : {&a_, &b_}) {
    EXPECT_TRUE(Eventually([ftd] {
      return Field(*ftd, "vm1", "replicas").find("\"stage\":\"copying\"") !=
             std::string::npos;
    })) << Field(*ftd, "vm1", "replicas");
    const auto replicas =
        boost::json::parse(Field(*ftd, "vm1", "replicas")).as_array();
    const auto& replica = replicas.at(0).as_object();
    EXPECT_EQ(replica.at("total_bytes"), 3 << 20);
    EXPECT_EQ(replica.at("done_bytes"), 3 << 20);
  }
  EXPECT_EQ(Field(a_, "vm1", "replica_of"), "");
  EXPECT_EQ(Field(b_, "vm1", "replica_of"), "hostA");
  EXPECT_THAT(b_.Ftctl({"status", "vm1"}).out,
              HasSubstr("private disks   a replica of hostA's"));
  EXPECT_THAT(a_.Ftctl({"events", "vm1"}).out,
              HasSubstr("hostB reads its replica of "));
  EXPECT_FALSE(fs::exists(a_.dir() / "run/vm1.replicas"));
}

TEST_F(PrivateDiskTest, WhoStoppedItStartsItAgain) {
  Must(a_.Ftctl({"stop", "vm1"}));
  Must(a_.Ftctl({"start", "vm1"}));
  Protect(a_, "hostB");
  Must(a_.Ftctl({"stop", "vm1"}));
  EXPECT_EQ(a_.End(SIGTERM), 0);
  ASSERT_TRUE(a_.Start());
  Must(a_.Ftctl({"start", "vm1"}));
}

TEST_F(PrivateDiskTest, HostThatNeverHadItDoesNot) {
  Must(a_.Ftctl({"stop", "vm1"}));
  Must(b_.Ftctl({"define", file_}));
  ExpectStale(b_,
              "it never lived here, and its record is at epoch 2; start "
              "it on the host where it ran last");
  Must(b_.Ftctl({"start", "vm1", "--disks-are-current"}));
  Must(b_.Ftctl({"stop", "vm1"}));
  ExpectStale(a_,
              "it lived here last in epoch 1, and its record is at epoch "
              "4");
  Must(b_.Ftctl({"start", "vm1"}));
}

TEST_F(PrivateDiskTest, AfterAFailoverOnlyTheOtherHostDoes) {
  FailOver();
  EXPECT_EQ(Field(b_, "vm1", "replica_of"), "");
  Must(b_.Ftctl({"stop", "vm1"}));
  ExpectStale(a_,
              "it lived here last in epoch 1, and its record is at epoch "
              "3; start it on hostB; ");
  a_.End(SIGKILL);
  ASSERT_TRUE(a_.Start());
  ExpectStale(a_, "start it on hostB; ");
  Must(b_.Ftctl({"start", "vm1"}));
}

// hostA's old disks are brought up to date by the ordinary way.
TEST_F(PrivateDiskTest, OldPrimaryIsABackupAgain) {
  FailOver();
  Protect(b_, "hostA");
  EXPECT_EQ(Field(a_, "vm1", "replica_of"), "hostB");
  Must(b_.Ftctl({"failover", "vm1"}));
  EXPECT_TRUE(Eventually([this] {
    return Field(a_, "vm1", "role") == "primary" &&
           Field(b_, "vm1", "state") == "halted";
  }));
  EXPECT_EQ(Field(a_, "vm1", "replica_of"), "");
  Must(a_.Ftctl({"stop", "vm1"}));
  ExpectStale(b_, "it lived here last in epoch 2");
  Must(a_.Ftctl({"start", "vm1"}));
}

// The mark is older than the first byte, so it survives whatever comes next.
TEST_F(PrivateDiskTest, BackupThatIsKilledRemembersItsReplica) {
  Protect(a_, "hostB");
  b_.End(SIGKILL);
  ASSERT_TRUE(b_.Start());
  EXPECT_TRUE(Eventually([this] {
    return Field(b_, "vm1", "state") == "halted" &&
           Field(b_, "vm1", "busy").empty();
  })) << Field(b_, "vm1", "state");
  EXPECT_EQ(Field(b_, "vm1", "replica_of"), "hostA");
  Must(a_.Ftctl({"stop", "vm1"}));
  ExpectStale(b_,
              "they are a replica of hostA's, and the VM has not lived "
              "here since; start it on hostA; ");
}

// Its engine does not start, so nobody wrote a byte: as if nobody had asked.
TEST_F(PrivateDiskTest, RefusedBackupIsNoReplica) {
  Must(b_.Ftctl({"define", file_}));
  b_.End(SIGTERM);
  b_.Set("engine", "\"/bin/false\"");
  ASSERT_TRUE(b_.Start());
  const Finished enabled = a_.Ftctl({"enable", "vm1", "--backup", "hostB"});
  EXPECT_EQ(enabled.exit_code, 2);
  EXPECT_THAT(enabled.err, HasSubstr("hostB refused vm1: "));
  EXPECT_TRUE(Eventually([this] {
    return Field(b_, "vm1", "state") == "not-configured";
  })) << Field(b_, "vm1", "state");
  EXPECT_EQ(Field(b_, "vm1", "replica_of"), "");
  EXPECT_TRUE(fs::exists(a_.dir() / "disk.img"));
}

// The same on a host that had never heard of the VM.
TEST_F(PrivateDiskTest, RefusedBackupIsForgotten) {
  b_.End(SIGTERM);
  b_.Set("engine", "\"/bin/false\"");
  ASSERT_TRUE(b_.Start());
  EXPECT_EQ(a_.Ftctl({"enable", "vm1", "--backup", "hostB"}).exit_code, 2);
  EXPECT_TRUE(Eventually([this] {
    return Field(b_, "vm1", "state").find("hostB has no VM vm1") !=
           std::string::npos;
  }));
  EXPECT_TRUE(
      Eventually([this] { return !fs::exists(b_.dir() / "state/vms/vm1"); }));
}

TEST_F(PrivateDiskTest, FlagIsForPrivateDisksOnly) {
  const std::string file =
      a_.Write("vm2.toml", "name = \"vm2\"\nkernel = \"/dev/null\"\n");
  Must(a_.Ftctl({"define", file}));
  const Finished started = a_.Ftctl({"start", "vm2", "--disks-are-current"});
  EXPECT_EQ(started.exit_code, 2);
  EXPECT_THAT(started.err, HasSubstr("vm2 has no private disks; "));
}

}  // namespace
}  // namespace ft::cli
