// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/stamp_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/system/child_process.h"

namespace ft::bed {
namespace {

constexpr size_t kBlockBytes = 4096, kWords = kBlockBytes / 8;
constexpr uint64_t kMagic = 0x53504d4154535446;  // "FTSTAMPS"
constexpr unsigned kFirstStatus = 1,
                   kFirstBlock = kFirstStatus + StampImage::kWorkers,
                   kBlocks = StampImage::kWorkers * StampImage::kPart;

off_t At(unsigned block) { return static_cast<off_t>(block * kBlockBytes); }

}  // namespace

StampImage::StampImage(const std::string& path)
    : path_(path),
      fd_(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
  if (fd_.get() < 0 || ftruncate(fd_.get(), kBytes) != 0) {
    throw BedError(path_ + ": " + strerror(errno));
  }
}

void StampImage::Command(uint64_t word) {
  std::vector<uint64_t> block(kWords);
  block[0] = kMagic;
  block[1] = word;
  if (pwrite(fd_.get(), block.data(), kBlockBytes, 0) !=
      static_cast<ssize_t>(kBlockBytes)) {
    throw BedError(path_ + ": " + strerror(errno));
  }
  command_ = word;
}

std::vector<uint64_t> StampImage::Block(unsigned number) const {
  std::vector<uint64_t> block(kWords);
  if (pread(fd_.get(), block.data(), kBlockBytes, At(number)) !=
      static_cast<ssize_t>(kBlockBytes)) {
    throw BedError(path_ + ": " + strerror(errno));
  }
  return block;
}

bool StampImage::Obeyed() const {
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    const auto block = Block(kFirstStatus + worker);
    if (block[0] != kMagic || block[2] >> 32 != command_) return false;
  }
  return true;
}

std::vector<uint64_t> StampImage::Passes() const {
  std::vector<uint64_t> passes;
  for (unsigned number = kFirstBlock; number < kFirstBlock + kBlocks;
       ++number) {
    const auto block = Block(number);
    const bool blank = block[0] == 0 && block[2] == 0;
    if (!blank && (block[0] != kMagic || block[1] != number)) {
      throw BedError(path_ + ": block " + std::to_string(number) +
                     " is no stamp");
    }
    passes.push_back(block[2]);
  }
  return passes;
}

uint64_t StampImage::OldestPass() const {
  return std::ranges::min(Passes());
}

uint64_t StampImage::NewestPass() const {
  return std::ranges::max(Passes());
}

std::string StampImage::Bytes() const {
  std::string bytes(kBytes, '\0');
  if (pread(fd_.get(), bytes.data(), kBytes, 0) !=
      static_cast<ssize_t>(kBytes)) {
    throw BedError(path_ + ": " + strerror(errno));
  }
  return bytes;
}

}  // namespace ft::bed
