// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a replica is, chunk by chunk: the SHA-256 of each MiB of an image. The
// backup reads its replica and sends them; the primary's engine sends only the
// chunks of its own disk that have another checksum.
//
//     checksums = *32OCTET      ; of chunk 0, 1, ...; the last may be short
//
// A file "d<i>.sha256" of them, for the VM's disk i, is what
// CloneOptions::replicas is about.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "logchannel/scoped_fd.h"
#include "logchannel/status.h"

namespace ft::replay {

inline constexpr uint64_t kReplicaChunkBytes = 1u << 20;
inline constexpr size_t kReplicaChecksumBytes = 32;

constexpr uint64_t ReplicaChunks(uint64_t image_bytes) {
  return (image_bytes + kReplicaChunkBytes - 1) / kReplicaChunkBytes;
}

// Reads one image from the beginning to the end. Blocking; for a pool's
// thread, one at a time. Holes cost nothing: a file system that knows them is
// asked, and the checksum of zeros is computed once. What was read does not
// stay in the page cache. Somebody who writes meanwhile makes the checksums
// worthless, and that is for the caller to prevent.
class ReplicaReader {
 public:
  // kInvalid when it cannot be opened or is not `bytes` large.
  static Result<ReplicaReader> Open(const std::string& path, uint64_t bytes);

  uint64_t bytes() const { return bytes_; }
  // How far it is read.
  uint64_t done() const { return done_; }
  // The number of the chunk that comes next.
  uint64_t next_chunk() const { return done_ / kReplicaChunkBytes; }
  bool at_end() const { return done_ == bytes_; }

  // The checksums of the chunks that follow: at most `chunks`, fewer at the
  // end of the image, at `until`, or once `cancelled` is set (then perhaps
  // none). kFailed when the image cannot be read, or has changed its size.
  Result<std::string> Next(size_t chunks,
                           std::chrono::steady_clock::time_point until,
                           const std::atomic<bool>& cancelled);

 private:
  ReplicaReader(ScopedFd fd, uint64_t bytes);
  Result<std::string> ChecksumOfNext();
  // Whether [done_, done_ + size) is known to be a hole.
  bool IsHole(size_t size);

  ScopedFd fd_;
  uint64_t bytes_;
  uint64_t done_ = 0;
  // Below this, from done_ on, is a hole.
  uint64_t hole_end_ = 0;
  std::string chunk_;           // what is read, kReplicaChunkBytes
  std::string zeros_checksum_;  // of a whole chunk
};

// Whether the image that is open as `fd` is as large as the primary's;
// kInvalid names both sizes.
Status CheckImageBytes(const std::string& path, int fd, uint64_t bytes);

}  // namespace ft::replay
