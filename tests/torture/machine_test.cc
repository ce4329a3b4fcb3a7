// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace ft::torture {
namespace {

using ::testing::HasSubstr;

std::string Content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Machine, BlankImageIsFreshAndGone) {
  std::string path;
  {
    const Machine machine(*FindWorkload("disk-scsi"));
    ASSERT_TRUE(machine.MakeImage().ok());
    path = machine.image_path();
    std::ofstream(path) << "used";
    ASSERT_TRUE(machine.MakeImage().ok());
    EXPECT_EQ(Content(path).find_first_not_of('\0'), std::string::npos);
    const replay::PairOptions options = machine.Options();
    ASSERT_EQ(options.disks.size(), 1u);
    EXPECT_EQ(options.disks[0].path, path);
    EXPECT_EQ(options.disks[0].bus, "virtio-scsi");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Machine, WithoutADiskHasNoImage) {
  const Machine machine(*FindWorkload("tiny"));
  EXPECT_TRUE(machine.MakeImage().ok());
  EXPECT_EQ(machine.image_path(), "");
  EXPECT_TRUE(machine.Options().disks.empty());
}

TEST(Machine, DebianIsCopiedWithItsHoles) {
  const std::string source = ::testing::TempDir() + "/machine_test.img";
  {
    std::ofstream file(source, std::ios::binary);
    file << "head";
    file.seekp(40 << 20);
    file << "middle";
  }
  std::filesystem::resize_file(source, 64 << 20);
  setenv("LOCKSTEP_DEBIAN", source.c_str(), 1);
  const Machine machine(*FindWorkload("debian-fio"));
  ASSERT_TRUE(machine.MakeImage().ok());
  EXPECT_TRUE(Content(machine.image_path()) == Content(source));
  struct stat info = {};
  ASSERT_EQ(stat(machine.image_path().c_str(), &info), 0);
  EXPECT_LT(info.st_blocks, 1 << 11) << "blocks of 512 bytes";
  std::filesystem::remove(source);
  EXPECT_THAT(machine.MakeImage().ToString(),
              HasSubstr("make it with tests/guest/build_debian.sh"));
  EXPECT_THAT(machine.Options().kernel_arguments, HasSubstr("root=/dev/sda"));
  unsetenv("LOCKSTEP_DEBIAN");
}

}  // namespace
}  // namespace ft::torture
