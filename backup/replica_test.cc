// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace ft::backup {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ReplicaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        ::testing::TempDir() + "/image." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  Replica Of(const std::string& name, uint64_t bytes) const {
    return {.disk = 0,
            .image = {.path = directory_ + "/" + name, .mode = "private"},
            .bytes = bytes};
  }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(directory_ + "/" + name) << text;
    return directory_ + "/" + name;
  }
  static std::string Refusal(const Replica& replica) {
    const Status status = CheckReplicas({replica});
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_NE(status.remedy(), "") << status.message();
    return status.ToString();
  }

  std::string directory_;
};

TEST_F(ReplicaTest, MissingOneIsMadeSparseAndForItsOwnerOnly) {
  const Replica replica = Of("disk.img", 7000001);
  ASSERT_TRUE(CheckReplicas({replica}).ok());
  EXPECT_FALSE(std::filesystem::exists(replica.image.path)) << "only checked";
  auto made = MakeMissing({replica});
  ASSERT_TRUE(made.ok()) << made.status().ToString();
  EXPECT_THAT(*made, ElementsAre(replica.image.path));
  struct stat info = {};
  ASSERT_EQ(stat(replica.image.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_size, 7000001);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_LT(info.st_blocks * 512, 7000001 / 2);
  ASSERT_TRUE(CheckReplicas({replica}).ok());
  made = MakeMissing({replica});
  ASSERT_TRUE(made.ok());
  EXPECT_THAT(*made, IsEmpty()) << "it is there";
}

TEST_F(ReplicaTest, ContentThatIsThereIsKept) {
  const Replica replica = Of("disk.img", 5);
  const std::string path = Write("disk.img", "12345");
  ASSERT_TRUE(CheckReplicas({replica}).ok());
  ASSERT_TRUE(MakeMissing({replica}).ok());
  std::string text;
  std::ifstream(path) >> text;
  EXPECT_EQ(text, "12345");
}

TEST_F(ReplicaTest, WhatCannotBeOneIsRefusedByName) {
  Write("disk.img", "12345");
  EXPECT_EQ(Refusal(Of("disk.img", 6)),
            "disk " + directory_ +
                "/disk.img has 5 bytes, the primary's 6; move it away there (a "
                "missing replica is made), or choose another backup host");
  Write("qcow2.img", "QFI\xfb....");
  EXPECT_THAT(Refusal(Of("qcow2.img", 8)), HasSubstr("is qcow2"));
  std::filesystem::create_directory(directory_ + "/dir.img");
  EXPECT_THAT(Refusal(Of("dir.img", 4096)), HasSubstr("is no image file"));
  EXPECT_THAT(Refusal(Of("none/disk.img", 6)),
              HasSubstr("there is no directory " + directory_ + "/none; "));
  Replica device = Of("", 6);
  device.image.path = "/dev/lockstep-none";
  EXPECT_THAT(Refusal(device), HasSubstr("make a block device of 6 bytes"));
  EXPECT_THAT(CheckReplicas({Of("disk.img", 0)}).message(),
              HasSubstr("without the size of private disk"));
}

TEST_F(ReplicaTest, WhatCannotBeMadeLeavesNothing) {
  const Replica good = Of("good.img", 6);
  // More than any file can have.
  const Replica bad = Of("bad.img", uint64_t{1} << 63);
  auto made = MakeMissing({good, bad});
  EXPECT_EQ(made.status().code(), Code::kUnavailable);
  EXPECT_THAT(made.status().message(), HasSubstr("/bad.img of "));
  EXPECT_FALSE(std::filesystem::exists(good.image.path));
  EXPECT_FALSE(std::filesystem::exists(bad.image.path));
}

TEST(Replicas, AreThePrivateDisksOfAHello) {
  logchannel::wire::VmDefinition vm;
  vm.add_disks()->set_mode("shared");
  auto* disk = vm.add_disks();
  disk->set_path("/srv/a");
  disk->set_mode("private");
  disk->set_size_bytes(77);
  const std::vector<Replica> replicas = ReplicasOf(vm);
  ASSERT_EQ(replicas.size(), 1u);
  EXPECT_EQ(replicas[0].disk, 1u);
  EXPECT_EQ(replicas[0].image.path, "/srv/a");
  EXPECT_EQ(replicas[0].bytes, 77u);
}

}  // namespace
}  // namespace ft::backup
