// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/disk_image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "shared-disk/scratch_directory_for_test.h"

namespace ft::shared_disk {
namespace {

constexpr uint64_t kBytes = 1 << 20;

class DiskImageTest : public testing::Test {
 protected:
  std::string Make(const std::string& name, uint64_t bytes) {
    const std::string path = scratch_.path() / name;
    std::ofstream(path).flush();
    std::filesystem::resize_file(path, bytes);
    return path;
  }
  std::string Refusal(const std::string& path) {
    auto image = DiskImage::Open(path);
    return image.ok() ? "opened" : image.status().message();
  }
  std::string Bytes(DiskImage& image, uint32_t bytes, uint64_t offset) {
    std::string data(bytes, '?');
    EXPECT_EQ(image.Read(data.data(), bytes, offset), 0);
    return data;
  }

  ScratchDirectory scratch_;
};

TEST_F(DiskImageTest, HoldsWhatIsWritten) {
  auto image = DiskImage::Open(Make("d", kBytes));
  ASSERT_TRUE(image.ok()) << image.status().ToString();
  EXPECT_EQ((*image)->size(), kBytes);
  EXPECT_EQ((*image)->Write("lockstep", 8, kBytes - 8), 0);
  EXPECT_EQ((*image)->Flush(), 0);
  EXPECT_EQ(Bytes(**image, 9, kBytes - 9), std::string("\0lockstep", 9));
}

TEST_F(DiskImageTest, ZeroesAndTrimsReadAsZeros) {
  auto image = DiskImage::Open(Make("d", kBytes));
  const std::string full(12288, 'x');
  for (int way = 0; way < 3; ++way) {
    ASSERT_EQ((*image)->Write(full.data(), 12288, 0), 0);
    // tmpfs has no ZERO_RANGE: nbdkit writes zeros then.
    const int error = way == 2 ? (*image)->Trim(4096, 4096)
                               : (*image)->WriteZeroes(4096, 4096, way == 1);
    if (way == 0 && error == EOPNOTSUPP) continue;
    ASSERT_EQ(error, 0) << way;
    EXPECT_EQ(Bytes(**image, 12288, 0), std::string(4096, 'x') +
                                            std::string(4096, '\0') +
                                            std::string(4096, 'x'));
  }
  EXPECT_EQ(std::filesystem::file_size((*image)->path()), kBytes);
}

TEST_F(DiskImageTest, WhatIsNoDiskIsRefused) {
  EXPECT_NE(Refusal(scratch_.path() / "none").find("No such file"),
            std::string::npos);
  EXPECT_NE(Refusal(scratch_.path()).find("neither a file nor a block"),
            std::string::npos);
  EXPECT_NE(Refusal("/dev/null").find("neither a file nor a block"),
            std::string::npos);
  EXPECT_NE(Refusal(Make("empty", 0)).find("is empty"), std::string::npos);
  ASSERT_EQ(mkfifo((scratch_.path() / "fifo").c_str(), 0600), 0);
  EXPECT_NE(Refusal(scratch_.path() / "fifo").find("neither a file"),
            std::string::npos);
}

TEST_F(DiskImageTest, IsServedByOneServiceOnly) {
  const std::string path = Make("d", kBytes);
  auto first = DiskImage::Open(path);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Refusal(path),
            "disk " + path + " is in use by another disk service");
  std::filesystem::create_symlink(path, scratch_.path() / "alias");
  EXPECT_NE(Refusal(scratch_.path() / "alias"), "opened");
  *first = nullptr;
  EXPECT_EQ(Refusal(path), "opened");
}

// A disk whose next sync fails, once.
class FailingImage : public DiskImage {
 public:
  FailingImage() : DiskImage(ScopedFd(), kBytes) {}
  int syncs = 0;

 private:
  int Sync() override { return ++syncs == 1 ? ENOSPC : 0; }
};

TEST_F(DiskImageTest, FailedSyncIsNotForgotten) {
  FailingImage image;
  EXPECT_EQ(image.Flush(), EIO);
  EXPECT_EQ(image.Flush(), EIO);
  EXPECT_EQ(image.syncs, 1);
  EXPECT_EQ(image.Write("x", 1, 0), EIO);
  EXPECT_EQ(image.WriteZeroes(512, 0, true), EIO);
  EXPECT_EQ(image.Trim(512, 0), EIO);
}

TEST_F(DiskImageTest, ShrunkImageIsAnErrorAndNoZeros) {
  const std::string path = Make("d", kBytes);
  auto image = DiskImage::Open(path);
  std::filesystem::resize_file(path, 4096);
  char data[512];
  EXPECT_EQ((*image)->Read(data, sizeof data, 8192), EIO);
}

}  // namespace
}  // namespace ft::shared_disk
