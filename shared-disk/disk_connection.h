// SPDX-License-Identifier: GPL-2.0-or-later
//
// DiskConnection: a client's connection to one disk. Everything but a read
// goes through the fence of the disk's VM, each time: an engine that was the
// VM's when it connected may be a fenced one by now.
#pragma once

#include <atomic>
#include <string>

#include "shared-disk/disk_service.h"

namespace ft::shared_disk {

class DiskConnection : public Connection {
 public:
  struct Who {
    std::string disk;
    std::string client;
    // None: it may only read.
    std::optional<Writer> writer;
  };

  // VM and image outlive it.
  DiskConnection(Who who, ServedVm& vm, DiskImage& image)
      : who_(std::move(who)), vm_(vm), image_(image) {}
  // Says how many requests were refused, if any.
  ~DiskConnection() override;

  uint64_t size() const override { return image_.size(); }
  bool writable() const override { return who_.writer.has_value(); }
  bool is_disk() const override { return true; }
  bool can_trim() const override { return true; }

  int Read(void* data, uint32_t bytes, uint64_t offset) override;
  int Write(const void* data, uint32_t bytes, uint64_t offset,
            bool durable) override;
  int WriteZeroes(uint32_t bytes, uint64_t offset, bool may_trim,
                  bool durable) override;
  int Trim(uint32_t bytes, uint64_t offset, bool durable) override;
  int Flush() override;

 private:
  // `change` of the image while the fence lets it through, then a flush of
  // it if it must be durable. The flush is outside the fence: it changes
  // nothing that anybody could read, and a test-and-set need not wait the
  // second that it may take. `what` names it in the log.
  template <typename Change>
  int Fenced(const char* what, bool durable, Change change);
  int Refuse(const char* what, Verdict verdict);

  const Who who_;
  ServedVm& vm_;
  DiskImage& image_;
  std::atomic<uint64_t> refused_{0};
  // A bit for each Verdict that was logged.
  std::atomic<unsigned> logged_{0};
};

}  // namespace ft::shared_disk
