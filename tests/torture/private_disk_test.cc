// SPDX-License-Identifier: GPL-2.0-or-later
//
// A private disk: each side has an image of its own, and the clone makes the
// backup's the primary's. The guest is hard on its disk (tests/guest/disk.c)
// and holds what it reads against what it wrote. Needs the guests that
// ./lockstep test -L debian makes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "logchannel/scoped_fd.h"
#include "tests/torture/faulty_disk.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr char kDone[] = "FT-GUEST-DONE";
constexpr size_t kChunk = 1 << 20;
// Of the image; the guest works in the first 24.
constexpr size_t kChunks = 64;

using Bytes = std::vector<char>;

Bytes Noise(uint64_t seed) {
  std::mt19937_64 random(seed);
  Bytes bytes(kChunk);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

bool WriteChunk(const std::string& path, size_t chunk, const Bytes& bytes) {
  const ScopedFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return pwrite(fd.get(), bytes.data(), bytes.size(),
                static_cast<off_t>(chunk * kChunk)) ==
         static_cast<ssize_t>(bytes.size());
}

Bytes ReadChunk(const std::string& path, size_t chunk) {
  const ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  Bytes bytes(kChunk);
  const ssize_t size = pread(fd.get(), bytes.data(), bytes.size(),
                             static_cast<off_t>(chunk * kChunk));
  EXPECT_EQ(size, static_cast<ssize_t>(kChunk)) << path;
  return bytes;
}

class PrivateDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status image = machine_.MakeImage();
    ASSERT_TRUE(image.ok()) << image.ToString();
    ASSERT_NE(primary(), backup());
  }
  replay::PairOptions Options() const {
    replay::PairOptions options = machine_.Options();
    options.network = false;
    return options;
  }
  const std::string& primary() const { return machine_.image_path(); }
  const std::string& backup() const { return machine_.backup_image_path(); }

  static bool Begin(EnginePair& pair) {
    return pair.StartPrimary() &&
           pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY");
  }
  // With what lay on both images before.
  void FillImages() const {
    for (size_t chunk = 0; chunk < kChunks; ++chunk) {
      const Bytes noise = Noise(chunk);
      ASSERT_TRUE(WriteChunk(primary(), chunk, noise));
      ASSERT_TRUE(WriteChunk(backup(), chunk, noise));
    }
  }
  // In a directory that goes with the images.
  std::string WriteChecksums() const {
    const std::string directory = backup() + ".checksums";
    std::filesystem::create_directory(directory);
    std::ofstream file(directory + "/d0.sha256", std::ios::binary);
    for (size_t chunk = 0; chunk < kChunks; ++chunk) {
      const Bytes bytes = ReadChunk(backup(), chunk);
      unsigned char digest[EVP_MAX_MD_SIZE];
      unsigned size = 0;
      EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(),
                 nullptr);
      file.write(reinterpret_cast<const char*>(digest), size);
    }
    return directory;
  }
  void ExpectEqualImages() const {
    for (size_t chunk = 0; chunk < kChunks; ++chunk) {
      EXPECT_TRUE(ReadChunk(primary(), chunk) == ReadChunk(backup(), chunk))
          << "MiB " << chunk;
    }
  }

  const Machine machine_{*FindWorkload("disk-private")};
};

// The guest writes while its disk is copied and the clone is taken.
TEST_F(PrivateDisk, CloneUnderLoadHasTheSameReplica) {
  EnginePair pair(Options());
  ASSERT_TRUE(Begin(pair));
  pair.Run(milliseconds(500));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  pair.Run(milliseconds(700));
  ASSERT_TRUE(pair.CompareHere());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone));
  pair.ExpectIdentical();
  ExpectEqualImages();
  ASSERT_TRUE(pair.replica());
  EXPECT_EQ(pair.replica()->node, "d0");
  EXPECT_EQ(pair.replica()->done, kChunks * kChunk);
  EXPECT_EQ(pair.replica()->total, kChunks * kChunk);
  EXPECT_GT(pair.replica()->sent, 0u);
}

// Three chunks of the replica are old when the next clone is made.
TEST_F(PrivateDisk, ResyncSendsWhatDiffers) {
  FillImages();
  for (const size_t chunk : {0, 40, 63}) {
    ASSERT_TRUE(WriteChunk(backup(), chunk, Noise(1000 + chunk)));
  }
  replay::PairOptions options = Options();
  options.clone.replicas = WriteChecksums();
  EnginePair pair(options);
  // The firmware starts; nobody writes.
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.replica());
  EXPECT_EQ(pair.replica()->done, kChunks * kChunk);
  EXPECT_EQ(pair.replica()->sent, 3 * kChunk);
  ExpectEqualImages();
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone));
  pair.ExpectIdentical();
  ExpectEqualImages();
}

TEST_F(PrivateDisk, ChecksumsOfAnotherSizeAreRefused) {
  replay::PairOptions options = Options();
  const std::string directory = WriteChecksums();
  std::filesystem::resize_file(directory + "/d0.sha256", 63 * 32);
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  const auto clone = pair.Await(
      pair.engine(Side::kPrimary)
          .Clone("127.0.0.1", 1, milliseconds(5000), {.replicas = directory}));
  EXPECT_THAT(clone.status().message(),
              HasSubstr("d0.sha256' have 2016 bytes, but disk 'd0' of 67108864 "
                        "bytes has 2048"));
}

TEST_F(PrivateDisk, ReplicaOfAnotherSizeIsRefused) {
  std::filesystem::resize_file(backup(), 63 * kChunk);
  EnginePair pair(Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.PrepareBackup());
  const auto clone = pair.Await(
      pair.engine(Side::kPrimary).Clone("127.0.0.1", pair.clone_port()));
  EXPECT_FALSE(clone.ok());
  EXPECT_TRUE(
      pair.WaitUntil([&] { return !pair.exit_reason(Side::kBackup).empty(); },
                     replay::kPatience));
  EXPECT_THAT(pair.exit_reason(Side::kBackup),
              HasSubstr("disk 'd0' has 66060288 bytes here, 67108864 at the "
                        "primary: make the image as large"));
  EXPECT_TRUE(pair.Query(Side::kPrimary).running);
}

TEST_F(PrivateDisk, CopyingKeepsToItsRate) {
  FillImages();
  replay::PairOptions options = Options();
  options.clone.replica_rate = 32 * kChunk;
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.Clone());
  // 64 MiB; what is left for the pause is not held back.
  EXPECT_GT(pair.clone_result().total_us, 1'500'000u);
  EXPECT_LT(pair.clone_result().pause_us, 1'000'000u);
}

// One byte in each block of the backup's replica, where the guest reads.
TEST_F(PrivateDisk, SpoiltReplicaIsNoticed) {
  replay::PairOptions options = Options();
  options.may_diverge = true;
  EnginePair pair(options);
  ASSERT_TRUE(Begin(pair));
  pair.Run(milliseconds(500));
  ASSERT_TRUE(pair.Clone());
  pair.Run(milliseconds(300));
  for (size_t chunk = 0; chunk < 24; ++chunk) {
    Bytes bytes = ReadChunk(backup(), chunk);
    for (size_t i = 0; i < bytes.size(); i += 4096) bytes[i] ^= 1;
    ASSERT_TRUE(WriteChunk(backup(), chunk, bytes));
  }
  EXPECT_TRUE(pair.WaitUntil([&] { return pair.divergence().has_value(); },
                             replay::kPatience));
}

// Only the backup's own host cannot write any more.
TEST_F(PrivateDisk, BackupThatCannotWriteSaysWhichDisk) {
  FaultyDisk replica(backup(), FaultyDisk::Fault::kChangesFail);
  replay::PairOptions options = Options();
  options.backup_disks[0].path = replica.path();
  options.may_diverge = true;
  EnginePair pair(options);
  ASSERT_TRUE(Begin(pair));
  ASSERT_TRUE(pair.Clone());
  replica.Fail(true);
  EXPECT_TRUE(pair.WaitUntil([&] { return pair.divergence().has_value(); },
                             replay::kPatience));
  ASSERT_TRUE(pair.divergence());
  EXPECT_THAT(pair.divergence()->got, HasSubstr("private disk 'd0': "));
  EXPECT_THAT(pair.divergence()->got,
              HasSubstr("failed here (Input/output error)"));
}

}  // namespace
}  // namespace ft::torture
