// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logchannel/frame.h"
#include "replay/vm_definition.h"

namespace ft::backup {
namespace {

using ::testing::HasSubstr;

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    hello_.set_version(logchannel::kLogChannelVersion);
    hello_.set_epoch(3);
    hello_.set_host("hostA");
    hello_.set_engine_build("7.2-ft1");
    *hello_.mutable_vm() =
        replay::ToWire({.name = "vm1",
                        .uuid = replay::UuidFromName("vm1"),
                        .memory_mib = 256,
                        .kernel = "/boot/vmlinuz",
                        .initrd = "",
                        .cmdline = "",
                        .nics = {},
                        .kernel_sha256 = std::string(64, 'a'),
                        .initrd_sha256 = ""});
    facts_.host = "hostB";
    facts_.record = std::optional<fencing::VmRecord>{
        {.vm = "vm1", .epoch = 3, .holder = "hostA"}};
    facts_.available_memory_mib = 4096;
  }

  std::string Refusal() { return CheckHello(hello_, facts_).ToString(); }

  logchannel::wire::Hello hello_;
  AdmissionFacts facts_;
};

TEST_F(AdmissionTest, TakesAGoodHello) {
  EXPECT_TRUE(CheckHello(hello_, facts_).ok()) << Refusal();
}

TEST_F(AdmissionTest, RefusesAnotherVersion) {
  hello_.set_version(logchannel::kLogChannelVersion + 1);
  EXPECT_FALSE(CheckHello(hello_, facts_).ok());
}

TEST_F(AdmissionTest, RefusesItsOwnName) {
  hello_.set_host("hostB");
  EXPECT_THAT(Refusal(), HasSubstr("calls itself hostB"));
}

TEST_F(AdmissionTest, RefusesWhatIsNoPort) {
  hello_.set_heartbeat_port(65535);
  EXPECT_TRUE(CheckHello(hello_, facts_).ok()) << Refusal();
  hello_.set_heartbeat_port(65536 + 7601);
  EXPECT_EQ(Refusal(), "Hello with heartbeat port 73137");
}

TEST_F(AdmissionTest, RefusesAVmThatRunsHere) {
  facts_.live_here = true;
  EXPECT_THAT(Refusal(), HasSubstr("vm1 already runs on hostB"));
}

TEST_F(AdmissionTest, RefusesWhenTheRecordIsNotThePrimarys) {
  facts_.record = std::optional<fencing::VmRecord>{
      {.vm = "vm1", .epoch = 4, .holder = "hostA"}};
  EXPECT_FALSE(CheckHello(hello_, facts_).ok()) << "another epoch";
  facts_.record = std::optional<fencing::VmRecord>{
      {.vm = "vm1", .epoch = 3, .holder = "hostC"}};
  EXPECT_FALSE(CheckHello(hello_, facts_).ok()) << "another holder";
  facts_.record = std::optional<fencing::VmRecord>{};
  EXPECT_FALSE(CheckHello(hello_, facts_).ok()) << "another store";
  facts_.record = Status::Unavailable("cannot read /srv/lockstep");
  EXPECT_THAT(Refusal(), HasSubstr("/srv/lockstep"));
}

TEST_F(AdmissionTest, RefusesOtherBootFiles) {
  facts_.boot_files = Status::Invalid("kernel differs");
  EXPECT_EQ(Refusal(), "kernel differs");
}

TEST_F(AdmissionTest, RefusesReplicasThatCannotBeUsed) {
  facts_.replicas = Status::Invalid("disk /srv/a has 5 bytes");
  EXPECT_EQ(Refusal(), "disk /srv/a has 5 bytes");
}

TEST_F(AdmissionTest, RefusesTooLittleMemoryByNumbers) {
  facts_.available_memory_mib = 256 + kEngineOverheadMib - 1;
  EXPECT_THAT(Refusal(), HasSubstr("415 MiB"));
}

TEST_F(AdmissionTest, RefusesAnotherEngineBuildByName) {
  EXPECT_TRUE(CheckEngineBuild(hello_, "hostB", "7.2-ft1").ok());
  const Status other = CheckEngineBuild(hello_, "hostB", "7.2-ft2");
  EXPECT_THAT(other.message(), HasSubstr("7.2-ft1"));
  EXPECT_THAT(other.message(), HasSubstr("7.2-ft2"));
  EXPECT_FALSE(other.remedy().empty());
}

TEST(AvailableMemory, IsRead) { EXPECT_GT(AvailableMemoryMib(), 0u); }

}  // namespace
}  // namespace ft::backup
