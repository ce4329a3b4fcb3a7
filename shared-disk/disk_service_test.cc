// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a disk service promises, asked of the real one: ft-disk-service,
// nbdkit and the plugin, over a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "logchannel/count_for_test.h"
#include "shared-disk/disk_service_for_test.h"
#include "shared-disk/nbd_client_for_test.h"

namespace ft::shared_disk {
namespace {

using testing::HasSubstr;
using testing::Not;

class DiskServiceTest : public testing::Test {
 protected:
  std::unique_ptr<NbdClient> Connect(const std::string& name) {
    return std::make_unique<NbdClient>(service_.address(), name);
  }
  // The record of vm1 becomes {epoch, holder}.
  int Set(uint64_t epoch, const std::string& holder) {
    const int error =
        Connect("record;vm=vm1")->TestAndSet(record_, {"vm1", epoch, holder});
    if (error == 0) record_ = {"vm1", epoch, holder};
    return error;
  }
  void Restart() {
    service_.Kill();
    ASSERT_TRUE(service_.Start()) << service_.log();
  }

  DiskServiceForTest service_;
  std::optional<Record> record_;
};

const std::string kOfA1 = "vm1-root;epoch=1;host=hostA";
const std::string kOfB1 = "vm1-root;epoch=1;host=hostB";

TEST_F(DiskServiceTest, ServesADiskToItsWriter) {
  ASSERT_EQ(Set(1, "hostA"), 0);
  auto a = Connect(kOfA1);
  ASSERT_TRUE(a->ok()) << service_.log();
  EXPECT_EQ(a->size(), int64_t{DiskServiceForTest::kDiskBytes});
  EXPECT_EQ(a->Write("first", 0), 0);
  EXPECT_EQ(a->Write("durable", 4096, LIBNBD_CMD_FLAG_FUA), 0);
  EXPECT_EQ(a->Write(std::string(8192, 'x'), 8192), 0);
  EXPECT_EQ(a->Zero(4096, 8192), 0);
  EXPECT_EQ(a->Trim(4096, 12288), 0);
  EXPECT_EQ(a->Flush(), 0);
  EXPECT_EQ(a->Read(5, 0), "first");
  EXPECT_EQ(a->Read(7, 4096), "durable");
  EXPECT_EQ(a->Read(8192, 8192), std::string(8192, '\0'));
}

// The story of a failover, at the disk.
TEST_F(DiskServiceTest, BackupsEngineWritesFromTheMomentItWins) {
  Set(1, "hostA");
  auto a = Connect(kOfA1), b = Connect(kOfB1);
  ASSERT_TRUE(b->ok());
  EXPECT_FALSE(b->read_only());
  EXPECT_EQ(a->Write("by A", 0), 0);
  EXPECT_EQ(b->Read(4, 0), "by A");
  EXPECT_EQ(b->Write("by B", 0), EPERM);
  ASSERT_EQ(Set(2, "hostB"), 0);
  EXPECT_EQ(b->Write("by B", 0), 0);
  EXPECT_EQ(a->Write("by A", 0), EPERM);
  EXPECT_EQ(a->Read(4, 0), "by B");
}

TEST_F(DiskServiceTest, FencedEngineChangesNothingInAnyWay) {
  Set(1, "hostA");
  auto a = Connect(kOfA1);
  ASSERT_EQ(a->Write(std::string(4096, 'x'), 0), 0);
  Set(2, "hostB");
  EXPECT_EQ(a->Write("y", 0), EPERM);
  EXPECT_EQ(a->Write("y", 0, LIBNBD_CMD_FLAG_FUA), EPERM);
  EXPECT_EQ(a->Zero(4096, 0), EPERM);
  EXPECT_EQ(a->Trim(4096, 0), EPERM);
  EXPECT_EQ(a->Flush(), EPERM);
  EXPECT_EQ(a->Read(4096, 0), std::string(4096, 'x'));
}

TEST_F(DiskServiceTest, RefusalIsLoggedOnceWithWhoAndWhatIsCurrent) {
  Set(1, "hostA");
  auto a = Connect(kOfA1);
  Set(2, "hostB");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a->Write("y", 0), EPERM);
  a = nullptr;
  ASSERT_TRUE(service_.AwaitLog("10 of its requests were refused"));
  EXPECT_EQ(Count(service_.log(), "vm1-root: refused a write from process " +
                                      std::to_string(getpid())),
            1u);
  EXPECT_THAT(service_.log(),
              HasSubstr("hostA of epoch 1 does not hold the record: vm1 is "
                        "epoch 2, held by hostB"));
  EXPECT_THAT(service_.log(),
              HasSubstr("vm1: epoch 1, held by hostA -> epoch 2, held by "
                        "hostB, by process"));
}

TEST_F(DiskServiceTest, WhoCanNeverWriteIsRefusedAtOnce) {
  EXPECT_FALSE(Connect(kOfA1)->ok());  // no record yet
  Set(1, "hostA");
  Set(2, "hostB");
  Set(3, "hostA");
  EXPECT_FALSE(Connect(kOfA1)->ok());  // of an epoch that is over
  EXPECT_FALSE(Connect("vm1-root;epoch=4;host=hostA")->ok());
  EXPECT_FALSE(Connect("vm2-root;epoch=3;host=hostA")->ok());
  EXPECT_FALSE(Connect("vm1-root;epoch=3")->ok());
  EXPECT_FALSE(Connect("record;vm=../vm1")->ok());
  EXPECT_FALSE(Connect("")->ok());
  EXPECT_THAT(service_.log(), HasSubstr("hostA of epoch 1 is fenced: vm1 is "
                                        "epoch 3, held by hostA"));
  EXPECT_THAT(service_.log(), HasSubstr("hostA of epoch 4 comes from another "
                                        "store of records"));
  EXPECT_THAT(service_.log(), HasSubstr("there is no disk vm2-root"));
}

TEST_F(DiskServiceTest, DiskWithoutAWriterIsReadOnly) {
  Set(1, "hostA");
  Connect(kOfA1)->Write("by A", 0);
  auto reader = Connect("vm1-root");
  ASSERT_TRUE(reader->ok());
  EXPECT_TRUE(reader->read_only());
  EXPECT_EQ(reader->Read(4, 0), "by A");
  EXPECT_NE(reader->Write("by R", 0), 0);
  EXPECT_EQ(reader->Read(4, 0), "by A");
}

// What was decided before the service was killed holds after it, for old
// connections (they are gone) and for new ones.
TEST_F(DiskServiceTest, KilledServiceForgetsNobodysRight) {
  Set(1, "hostA");
  ASSERT_TRUE(Connect(kOfA1)->ok());
  Set(2, "hostA");  // it lost its backup
  ASSERT_TRUE(Connect("vm1-root;epoch=2;host=hostB")->ok());
  Restart();
  EXPECT_EQ(Connect(kOfA1)->Write("A", 0), 0);
  Set(3, "hostB");
  Restart();
  EXPECT_EQ(Connect("vm1-root;epoch=2;host=hostB")->Write("B", 0), 0);
  EXPECT_FALSE(Connect(kOfA1)->ok());
  EXPECT_FALSE(Connect(kOfB1)->ok());
  // A start on hostB itself: its older engine stays fenced, too.
  Set(4, "hostB");
  ASSERT_TRUE(Connect("vm1-root;epoch=4;host=hostB")->ok());
  Restart();
  EXPECT_FALSE(Connect("vm1-root;epoch=2;host=hostB")->ok());
  EXPECT_EQ(Connect("vm1-root;epoch=4;host=hostB")->Read(1, 0), "B");
}

TEST_F(DiskServiceTest, GarbageOnTheRecordsExportChangesNothing) {
  Set(1, "hostA");
  auto record = Connect("record;vm=vm1");
  const std::string before = record->Read(512, 0);
  EXPECT_EQ(record->Write(std::string(512, 'x'), 0), EINVAL);
  EXPECT_EQ(record->Write(std::string(512, '\0'), 0), EINVAL);
  EXPECT_EQ(record->Write(before.substr(0, 256), 0), EINVAL);
  EXPECT_EQ(record->Write(before.substr(0, 256), 256), EINVAL);
  EXPECT_NE(record->Zero(512, 0), 0);
  EXPECT_NE(record->Trim(512, 0), 0);
  const Record held = {"vm1", 1, "hostA"};
  EXPECT_EQ(record->TestAndSet(held, {"vm2", 2, "hostB"}), EINVAL);
  EXPECT_EQ(record->TestAndSet(held, {"vm1", 3, "hostB"}), EPERM);
  EXPECT_EQ(record->TestAndSet(std::nullopt, {"vm1", 1, "hostB"}), EPERM);
  EXPECT_EQ(record->Read(512, 0), before);
}

// With more than one thread to a connection the nbdkit of Debian 12 does: two
// of them meet the end of one client.
TEST_F(DiskServiceTest, ClientsThatHangUpAmidRepliesDoNotEndIt) {
  Set(1, "hostA");
  for (int round = 0; round < 20; ++round) {
    auto client = Connect(kOfA1);
    ASSERT_TRUE(client->ok()) << service_.log();
    NbdClient::ReadAndHangUp(std::move(client), 64, 1 << 16);
  }
  EXPECT_EQ(Connect(kOfA1)->Write("still there", 0), 0) << service_.log();
}

TEST_F(DiskServiceTest, RecordsOfATestAreErasedAndNoOthers) {
  Set(1, "hostA");
  const auto make = [&](const std::string& vm) {
    return Connect("record;vm=" + vm)
        ->TestAndSet(std::nullopt, {vm, 1, "hostA"});
  };
  const auto is_there = [&](const std::string& vm) {
    return Connect("record;vm=" + vm)->Read(8, 0) != std::string(8, '\0');
  };
  for (const char* vm : {"fencing-test.1.vm1", "fencing-test.1.vm2",
                         "fencing-test.12.vm1", "fencing-test.1"}) {
    ASSERT_EQ(make(vm), 0) << vm;
  }
  EXPECT_EQ(Connect("record;vm=fencing-test.1")->Trim(511, 0), EINVAL);
  ASSERT_EQ(Connect("record;vm=fencing-test.1")->Trim(512, 0), 0);
  for (int restarted = 0; restarted < 2; ++restarted) {
    EXPECT_FALSE(is_there("fencing-test.1"));
    EXPECT_FALSE(is_there("fencing-test.1.vm1"));
    EXPECT_FALSE(is_there("fencing-test.1.vm2"));
    EXPECT_TRUE(is_there("fencing-test.12.vm1"));
    EXPECT_TRUE(is_there("vm1"));
    Restart();
  }
  EXPECT_EQ(make("fencing-test.1.vm1"), 0);
}

TEST_F(DiskServiceTest, SecondServiceIsRefused) {
  EXPECT_EQ(RunDiskService({"--config", service_.config()}),
            "ft-disk-service: somebody listens at " + service_.address() +
                "; one disk service at a time; end the other one\n|2");
  // One that knows another store, but the same disk, would fence nothing.
  DiskServiceForTest other;
  other.Stop();
  std::filesystem::remove(other.image("vm1-root"));
  std::filesystem::create_hard_link(service_.image("vm1-root"),
                                    other.image("vm1-root"));
  EXPECT_FALSE(other.Start());
  EXPECT_THAT(other.log(), HasSubstr("is in use by another disk service"));
}

TEST_F(DiskServiceTest, MissingOrDamagedStoreIsRefused) {
  service_.Kill();
  std::filesystem::rename(service_.store(), service_.store() + ".away");
  EXPECT_FALSE(service_.Start());
  EXPECT_THAT(service_.log(), HasSubstr("store of epochs " + service_.store() +
                                        " does not exist"));
  std::filesystem::rename(service_.store() + ".away", service_.store());
  std::filesystem::remove(service_.store() + "/CURRENT");
  EXPECT_FALSE(service_.Start());
  EXPECT_THAT(service_.log(), HasSubstr("do not make a new one"));
}

TEST_F(DiskServiceTest, DamagedRecordFreezesItsVmUntilAnEpochIsGiven) {
  Set(1, "hostA");
  service_.Kill();
  service_.Damage("vm1");
  ASSERT_TRUE(service_.Start());
  EXPECT_FALSE(Connect(kOfA1)->ok());
  EXPECT_EQ(Connect("record;vm=vm1")->Read(256, 0),
            "errno " + std::to_string(EIO));
  EXPECT_EQ(Connect("record;vm=vm1")->TestAndSet({}, {"vm1", 1, "hostB"}), EIO);
  service_.Kill();
  const std::vector<std::string> config = {"--config", service_.config()};
  auto free = config;
  free.insert(free.end(), {"--free", "vm1", "--epoch", "7"});
  EXPECT_EQ(RunDiskService(free), "vm1: epoch 7, released\n|0");
  EXPECT_THAT(RunDiskService(free), HasSubstr("vm1 has a record"));
  ASSERT_TRUE(service_.Start());
  record_ = {"vm1", 7, ""};
  EXPECT_EQ(Set(8, "hostB"), 0);
  EXPECT_FALSE(Connect(kOfA1)->ok());
  EXPECT_EQ(Connect("vm1-root;epoch=8;host=hostB")->Write("B", 0), 0);
}

TEST_F(DiskServiceTest, ProgramSaysWhatItWasToldAndWhatIsWrong) {
  const std::string config = service_.config();
  EXPECT_EQ(RunDiskService({"--check", "--config", config}),
            config + ": ok, 1 disks at " + service_.address() + "\n|0");
  EXPECT_THAT(RunDiskService({"--check", "--config", "/none.toml"}),
              HasSubstr("cannot read /none.toml"));
  EXPECT_THAT(RunDiskService({"--chek"}), HasSubstr("see ft-disk-service"));
  EXPECT_THAT(RunDiskService({"--create-store", "--config", config}),
              HasSubstr("is not empty, so no store was made"));
  EXPECT_THAT(RunDiskService({"--records", "--config", config}),
              HasSubstr("is in use by another process"));
  Set(1, "hostA");
  service_.Stop();
  EXPECT_EQ(RunDiskService({"--records", "--config", config}),
            "vm1: epoch 1, held by hostA, written by engines of epoch 0 and "
            "later\n|0");
  std::ofstream(config, std::ios::app) << "[disks.b]\npath = \"/none\"\n";
  EXPECT_THAT(RunDiskService({"--check", "--config", config}), HasSubstr("vm"));
  EXPECT_FALSE(service_.Start());
}

TEST_F(DiskServiceTest, MissingImageIsNamed) {
  service_.Stop();
  std::filesystem::remove(service_.image("vm1-root"));
  EXPECT_FALSE(service_.Start());
  EXPECT_THAT(service_.log(), HasSubstr("disk " + service_.image("vm1-root") +
                                        " cannot be opened"));
}

TEST(DiskServiceTcp, IsServedOverTcpAndNamesItsClients) {
  DiskServiceForTest service({.tcp = true});
  NbdClient record(service.address(), "record;vm=vm1");
  ASSERT_TRUE(record.ok()) << service.log();
  EXPECT_EQ(record.TestAndSet({}, {"vm1", 1, "hostA"}), 0);
  EXPECT_TRUE(service.AwaitLog("held by hostA, by 127.0.0.1:"));
  service.Kill();
  EXPECT_TRUE(service.Start()) << service.log();
}

}  // namespace
}  // namespace ft::shared_disk
