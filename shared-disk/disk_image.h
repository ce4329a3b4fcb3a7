// SPDX-License-Identifier: GPL-2.0-or-later
//
// DiskImage: one raw image file or block device, and the operations of NBD
// on it. Knows nothing of epochs: whoever calls holds a Pass (writer_fence.h)
// for all but Read.
//
// Goes through the page cache of this host, which is one and so always
// coherent; what the guest wants durable it flushes. A sync that failed once
// may have lost any write before it, and the kernel forgets that: from then
// on every write and flush of the disk fails until the service is restarted
// (as QEMU does with its own images).
//
// Thread-safe. The operations return 0 or an errno.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "logchannel/scoped_fd.h"
#include "logchannel/status.h"

namespace ft::shared_disk {

class DiskImage {
 public:
  // Opens it and locks it against a second service. kInvalid: not there, no
  // file or block device, empty, or in use.
  static Result<std::unique_ptr<DiskImage>> Open(const std::string& path);
  virtual ~DiskImage() = default;

  // Fixed while it is open.
  uint64_t size() const { return size_; }
  const std::string& path() const { return fd_.path(); }

  // Ranges lie within size(); NBD checks that.
  int Read(void* data, uint32_t bytes, uint64_t offset);
  int Write(const void* data, uint32_t bytes, uint64_t offset);
  // EOPNOTSUPP: the storage has no way to do it but writing zeros.
  int WriteZeroes(uint32_t bytes, uint64_t offset, bool may_trim);
  // Advice: what the storage cannot trim stays as it is.
  int Trim(uint32_t bytes, uint64_t offset);
  // All writes that have returned are durable.
  int Flush();

 protected:
  DiskImage(ScopedFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}

 private:
  // The one way to sync; tests replace it.
  virtual int Sync();

  const ScopedFd fd_;
  const uint64_t size_;
  // One sync at a time: of two, the kernel tells the failure to one only.
  std::mutex sync_mutex_;
  // The errno of the first sync that failed; 0 until then, never reset.
  std::atomic<int> sync_error_{0};
};

}  // namespace ft::shared_disk
