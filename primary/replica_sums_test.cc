// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/replica_sums.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "primary/replica_state.h"

namespace ft::primary {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1u << 20;

class ReplicaSumsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/sums." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    Make("a", 2 * kMiB + 1);
    Make("b", 5);
    vm_.disks = {{.path = directory_ + "/a", .mode = "private"},
                 {.path = directory_ + "/shared"},
                 {.path = directory_ + "/b", .mode = "private"}};
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Make(const std::string& name, uint64_t bytes) const {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path).close();
    std::filesystem::resize_file(path, bytes);
  }
  ReplicaSums Measured() const {
    auto sums = ReplicaSums::Measure(vm_);
    EXPECT_TRUE(sums.ok()) << sums.status().ToString();
    return std::move(sums).value();
  }
  static logchannel::wire::ReplicaChecksums Message(uint32_t disk,
                                                    uint64_t first,
                                                    size_t count, char fill) {
    logchannel::wire::ReplicaChecksums message;
    message.set_disk(disk);
    message.set_first_chunk(first);
    message.set_checksums(std::string(count * 32, fill));
    return message;
  }
  static std::string Text(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::string directory_;
  replay::VmDefinition vm_;
};

TEST_F(ReplicaSumsTest, SizesOfPrivateDisksGoIntoTheHello) {
  auto wire = replay::ToWire(vm_);
  Measured().AddSizes(&wire);
  EXPECT_EQ(wire.disks(0).size_bytes(), 2 * kMiB + 1);
  EXPECT_EQ(wire.disks(1).size_bytes(), 0u);
  EXPECT_EQ(wire.disks(2).size_bytes(), 5u);
  vm_.disks[2].path = directory_ + "/none";
  EXPECT_THAT(ReplicaSums::Measure(vm_).status().message(),
              HasSubstr("/none: No such file"));
}

TEST_F(ReplicaSumsTest, ChecksumsArriveInOrder) {
  ReplicaSums sums = Measured();
  EXPECT_FALSE(sums.complete());
  ASSERT_TRUE(sums.OnChecksums(Message(0, 0, 2, 'x')).ok());
  EXPECT_EQ(sums.current().disk, 0u);
  EXPECT_EQ(sums.current_bytes(), 2 * kMiB);
  ASSERT_TRUE(sums.OnChecksums(Message(0, 2, 1, 'y')).ok());
  EXPECT_EQ(sums.current().disk, 2u);
  EXPECT_FALSE(sums.complete());
  ASSERT_TRUE(sums.OnChecksums(Message(2, 0, 1, 'z')).ok());
  EXPECT_TRUE(sums.complete());
  EXPECT_EQ(sums.received(), 4u);
  {
    const ScratchDirectory scratch(directory_ + "/vm1.replicas");
    ASSERT_TRUE(sums.Write(scratch.path()).ok());
    EXPECT_EQ(Text(scratch.path() + "/d0.sha256"),
              std::string(64, 'x') + std::string(32, 'y'));
    EXPECT_EQ(Text(scratch.path() + "/d2.sha256"), std::string(32, 'z'));
    ASSERT_TRUE(sums.Write(scratch.path()).ok()) << "over an earlier one";
  }
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/vm1.replicas"));
}

TEST_F(ReplicaSumsTest, OthersAreRefusedAndChangeNothing) {
  ReplicaSums sums = Measured();
  ASSERT_TRUE(sums.OnChecksums(Message(0, 0, 1, 'x')).ok());
  for (const auto& message :
       {Message(0, 0, 1, 'x'), Message(0, 2, 1, 'x'), Message(0, 1, 3, 'x'),
        Message(2, 0, 1, 'x'), Message(1, 0, 1, 'x'), Message(0, 1, 0, 'x'),
        Message(0, 1, 1025, 'x')}) {
    const Status status = sums.OnChecksums(message);
    EXPECT_EQ(status.code(), Code::kInvalid) << message.first_chunk();
  }
  auto odd = Message(0, 1, 1, 'x');
  odd.mutable_checksums()->pop_back();
  EXPECT_THAT(sums.OnChecksums(odd).message(), HasSubstr("31 bytes"));
  EXPECT_EQ(sums.received(), 1u);
  EXPECT_EQ(ReplicaSums().OnChecksums(Message(0, 0, 1, 'x')).code(),
            Code::kInvalid);
}

TEST_F(ReplicaSumsTest, DirectoryThatCannotBeWrittenIsNamed) {
  const ReplicaSums sums = Measured();
  EXPECT_THAT(sums.Write(directory_ + "/none/x").message(),
              HasSubstr(directory_ + "/none/x"));
}

TEST(ReplicaStateTest, IsSaidInNumbersThatFit) {
  ReplicaState state{.path = "/srv/a",
                     .stage = ReplicaState::Stage::kCopying,
                     .done = 1288490189,
                     .total = uint64_t{4} << 30,
                     .sent = 310 * kMiB};
  EXPECT_EQ(Describe(state),
            "replica of /srv/a: 30 %, 1.2 of 4.0 GiB, 310.0 MiB sent");
  EXPECT_FALSE(state.complete());
  state.done = state.total;
  EXPECT_TRUE(state.complete());
  state = {.path = "/srv/b", .done = 100, .total = 512};
  EXPECT_EQ(Describe(state), "replica of /srv/b: 19 %, 100 of 512 bytes read");
  EXPECT_EQ(FormatBytes(0), "0 bytes");
  EXPECT_EQ(FormatBytes(uint64_t{3} << 40), "3.0 TiB");
}

}  // namespace
}  // namespace ft::primary
