// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/replica_checksums.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <filesystem>
#include <fstream>

namespace ft::replay {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr auto kNever = steady_clock::time_point::max();
constexpr uint64_t kMiB = kReplicaChunkBytes;

std::string Sha256(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(),
             nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

class ReplicaChecksums : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        ::testing::TempDir() + "/replica." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/disk.img";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // An image of `bytes` that is one hole but for `text` at `at`.
  void Make(uint64_t bytes, uint64_t at = 0, const std::string& text = "") {
    std::ofstream(path_).close();
    std::filesystem::resize_file(path_, bytes);
    if (text.empty()) return;
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << text;
  }
  // What the same bytes have, computed without any thought of holes.
  std::string Expected() const {
    std::ifstream file(path_, std::ios::binary);
    std::string checksums;
    std::string chunk(kMiB, '\0');
    while (file) {
      file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
      const auto size = static_cast<size_t>(file.gcount());
      if (size > 0) checksums += Sha256(chunk.substr(0, size));
    }
    return checksums;
  }
  ReplicaReader MustOpen(uint64_t bytes) const {
    auto reader = ReplicaReader::Open(path_, bytes);
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    return std::move(reader).value();
  }

  std::string directory_, path_;
  std::atomic<bool> cancelled_ = false;
};

TEST_F(ReplicaChecksums, OfHolesAreThoseOfZeros) {
  Make(5 * kMiB, 2 * kMiB + 7, "data");
  ReplicaReader reader = MustOpen(5 * kMiB);
  auto all = reader.Next(100, kNever, cancelled_);
  ASSERT_TRUE(all.ok()) << all.status().ToString();
  EXPECT_EQ(all->size(), 5 * kReplicaChecksumBytes);
  EXPECT_EQ(*all, Expected());
  EXPECT_EQ(all->substr(0, kReplicaChecksumBytes),
            Sha256(std::string(kMiB, '\0')));
  EXPECT_TRUE(reader.at_end());
}

TEST_F(ReplicaChecksums, LastChunkMayBeShort) {
  for (const std::string& text : {std::string(), std::string("end")}) {
    Make(2 * kMiB + 513, 2 * kMiB + 400, text);
    ReplicaReader reader = MustOpen(2 * kMiB + 513);
    auto all = reader.Next(100, kNever, cancelled_);
    ASSERT_TRUE(all.ok()) << all.status().ToString();
    EXPECT_EQ(all->size(), ReplicaChunks(2 * kMiB + 513) * 32);
    EXPECT_EQ(*all, Expected());
  }
}

TEST_F(ReplicaChecksums, ComeInPieces) {
  Make(7 * kMiB + 1, 3 * kMiB, std::string(2 * kMiB, 'x'));
  ReplicaReader reader = MustOpen(7 * kMiB + 1);
  std::string all;
  while (!reader.at_end()) {
    EXPECT_EQ(reader.next_chunk() * kReplicaChecksumBytes, all.size());
    auto piece = reader.Next(3, kNever, cancelled_);
    ASSERT_TRUE(piece.ok()) << piece.status().ToString();
    ASSERT_LE(piece->size(), 3 * kReplicaChecksumBytes);
    ASSERT_GT(piece->size(), 0u);
    all += *piece;
  }
  EXPECT_EQ(all, Expected());
}

// One chunk at least, or a slow disk would be read for ever.
TEST_F(ReplicaChecksums, TimeIsOverAfterAChunk) {
  Make(4 * kMiB);
  ReplicaReader reader = MustOpen(4 * kMiB);
  auto piece = reader.Next(100, steady_clock::now(), cancelled_);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(piece->size(), kReplicaChecksumBytes);
  EXPECT_EQ(reader.done(), kMiB);
}

TEST_F(ReplicaChecksums, CancelledIsReadNoFurther) {
  Make(4 * kMiB);
  ReplicaReader reader = MustOpen(4 * kMiB);
  cancelled_ = true;
  auto piece = reader.Next(100, kNever, cancelled_);
  ASSERT_TRUE(piece.ok());
  EXPECT_EQ(*piece, "");
  EXPECT_FALSE(reader.at_end());
}

TEST_F(ReplicaChecksums, OtherSizeIsSaid) {
  Make(kMiB);
  EXPECT_EQ(ReplicaReader::Open(path_, 2 * kMiB).status().message(),
            "disk " + path_ + " has 1048576 bytes, the primary's 2097152");
  EXPECT_THAT(ReplicaReader::Open(directory_ + "/none", 1).status().message(),
              HasSubstr("/none: No such file"));
}

TEST_F(ReplicaChecksums, ImageThatGrowsOrShrinksIsNoReplica) {
  for (const uint64_t now : {uint64_t{3 * kMiB}, kMiB + 5}) {
    Make(2 * kMiB, 0, std::string(2 * kMiB, 'x'));
    ReplicaReader reader = MustOpen(2 * kMiB);
    ASSERT_TRUE(reader.Next(1, kNever, cancelled_).ok());
    std::filesystem::resize_file(path_, now);
    auto rest = reader.Next(100, kNever, cancelled_);
    EXPECT_EQ(rest.status().code(), Code::kFailed) << now;
  }
}

// A directory can be opened, on some file systems it even has a size; it
// gives no bytes.
TEST_F(ReplicaChecksums, UnreadableIsSaid) {
  const ScopedFd fd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY));
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  auto reader = ReplicaReader::Open(directory_, static_cast<uint64_t>(size));
  const Status status = reader.ok()
                            ? reader->Next(1, kNever, cancelled_).status()
                            : reader.status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(directory_));
}

}  // namespace
}  // namespace ft::replay
