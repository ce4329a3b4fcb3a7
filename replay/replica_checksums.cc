// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/replica_checksums.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "logchannel/check.h"

namespace ft::replay {
namespace {

std::string Sha256(const char* data, size_t size) {
  std::string digest(kReplicaChecksumBytes, '\0');
  const int done =
      EVP_Digest(data, size, reinterpret_cast<unsigned char*>(digest.data()),
                 nullptr, EVP_sha256(), nullptr);
  FT_CHECK(done == 1) << "SHA-256 of " << size << " bytes";
  return digest;
}

// 0 or errno; ENODATA when the file ends early.
int ReadAll(int fd, char* data, size_t size, uint64_t offset) {
  while (size > 0) {
    const ssize_t n = pread(fd, data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return ENODATA;
    data += n;
    offset += static_cast<uint64_t>(n);
    size -= static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

Status CheckImageBytes(const std::string& path, int fd, uint64_t bytes) {
  const off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) {
    return Status::Invalid("disk " + path + ": " + std::strerror(errno));
  }
  if (static_cast<uint64_t>(end) == bytes) return Status::Ok();
  return Status::Invalid("disk " + path + " has " + std::to_string(end) +
                         " bytes, the primary's " + std::to_string(bytes));
}

Result<ReplicaReader> ReplicaReader::Open(const std::string& path,
                                          uint64_t bytes) {
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY), path);
  if (!fd.valid()) {
    return Status::Invalid("disk " + path + ": " + std::strerror(errno));
  }
  Status size = CheckImageBytes(path, fd.get(), bytes);
  if (!size.ok()) return size;
  return ReplicaReader(std::move(fd), bytes);
}

ReplicaReader::ReplicaReader(ScopedFd fd, uint64_t bytes)
    : fd_(std::move(fd)), bytes_(bytes), chunk_(kReplicaChunkBytes, '\0') {
  zeros_checksum_ = Sha256(chunk_.data(), chunk_.size());
}

Result<std::string> ReplicaReader::Next(
    size_t chunks, std::chrono::steady_clock::time_point until,
    const std::atomic<bool>& cancelled) {
  std::string checksums;
  const size_t most = chunks * kReplicaChecksumBytes;
  while (!at_end() && checksums.size() < most && !cancelled) {
    auto next = ChecksumOfNext();
    if (!next.ok()) return next.status();
    checksums += *next;
    if (std::chrono::steady_clock::now() >= until) break;
  }
  if (!at_end()) return checksums;
  Status same = CheckImageBytes(fd_.path(), fd_.get(), bytes_);
  if (same.ok()) return checksums;
  return Status::Failed(same.message() + "; it changed while it was read");
}

Result<std::string> ReplicaReader::ChecksumOfNext() {
  const auto size = static_cast<size_t>(
      std::min<uint64_t>(kReplicaChunkBytes, bytes_ - done_));
  std::string checksum;
  if (IsHole(size) && size == kReplicaChunkBytes) {
    checksum = zeros_checksum_;
  } else {
    const int error = ReadAll(fd_.get(), chunk_.data(), size, done_);
    if (error != 0) {
      return Status::Failed(
          "disk " + fd_.path() + " cannot be read at " + std::to_string(done_) +
          ": " + (error == ENODATA ? "it ends there" : std::strerror(error)));
    }
    checksum = Sha256(chunk_.data(), size);
    // Advice; whoever knows none, reads all the same.
    (void)posix_fadvise(fd_.get(), static_cast<off_t>(done_),
                        static_cast<off_t>(size), POSIX_FADV_DONTNEED);
  }
  done_ += size;
  return checksum;
}

bool ReplicaReader::IsHole(size_t size) {
  if (hole_end_ <= done_) {
    const off_t data = lseek(fd_.get(), static_cast<off_t>(done_), SEEK_DATA);
    if (data >= 0) {
      hole_end_ = static_cast<uint64_t>(data);
    } else {
      // ENXIO: no data from here on. Anything else: a block device, or a file
      // system without holes.
      hole_end_ = errno == ENXIO ? bytes_ : done_;
    }
  }
  return hole_end_ >= done_ + size;
}

}  // namespace ft::replay
