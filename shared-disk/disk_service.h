// SPDX-License-Identifier: GPL-2.0-or-later
//
// DiskService: the disks and records of a storage host, and who may change
// them. What the nbdkit plugin (disk_plugin.cc) exports, without nbdkit.
//
//     Connection  "vm1-root;epoch=1;host=hostA" ──┐ Enter
//     Connection  "vm1-root;epoch=1;host=hostB" ──┼──> WriterFence of vm1
//     Connection  "record;vm=vm1" ────────────────┘ Change │
//                                                          v
//                      DiskImage of vm1-root          EpochStore
//
// The log has one line for each test-and-set that was won, each writer that
// connects, and the first refusal of each kind to each connection, with who,
// its epoch, and the record as it is. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "logchannel/status.h"
#include "shared-disk/disk_image.h"
#include "shared-disk/epoch_store.h"
#include "shared-disk/service_options.h"
#include "shared-disk/writer_fence.h"

namespace ft::shared_disk {

// What one VM has: its fence, or why it cannot have one.
struct ServedVm {
  ServedVm(std::string name, std::optional<WriteRight> right, Status damage)
      : name(std::move(name)), damage(damage), fence(std::move(right)) {}
  const std::string name;
  // Ok, or what is wrong with its record: then nothing is known of the VM,
  // and everything is refused.
  const Status damage;
  WriterFence fence;
};

// One client's connection. Its operations return 0 or an errno; they may run
// at the same time. EPERM: refused by the record as it is. EIO: the storage.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual uint64_t size() const = 0;
  virtual bool writable() const = 0;
  virtual bool is_disk() const = 0;
  // Whether Trim() is ever of use.
  virtual bool can_trim() const = 0;

  virtual int Read(void* data, uint32_t bytes, uint64_t offset) = 0;
  // With `durable` (NBD's FUA) it is on stable storage when it returns.
  virtual int Write(const void* data, uint32_t bytes, uint64_t offset,
                    bool durable) = 0;
  virtual int WriteZeroes(uint32_t bytes, uint64_t offset, bool may_trim,
                          bool durable) = 0;
  virtual int Trim(uint32_t bytes, uint64_t offset, bool durable) = 0;
  virtual int Flush() = 0;
};

class DiskService {
 public:
  // Opens store and images; a Status names the first that cannot be had.
  static Result<std::unique_ptr<DiskService>> Open(
      const ServiceOptions& options);

  // `client` is where it comes from, for the log. A refusal is logged, too:
  // NBD has no way to tell the client more than that there is none.
  Result<std::unique_ptr<Connection>> Connect(const std::string& export_name,
                                              const std::string& client);

  // Ends the process if it cannot tell whether the right was saved: what is
  // true then, only the store can say, when it is opened again.
  void Save(const WriteRight& right);

  // Erases the records of a test: of the scratch VM `name`, and of all whose
  // names go on with a dot after it.
  void Forget(const std::string& name);

 private:
  struct Disk {
    std::unique_ptr<DiskImage> image;
    ServedVm* vm = nullptr;
  };

  explicit DiskService(std::unique_ptr<EpochStore> store)
      : store_(std::move(store)) {}
  Status LoadVms();
  Status OpenDisk(const DiskOptions& options);
  // What nobody can tell whether it was saved.
  [[noreturn]] void End(const std::string& what, const Status& status);
  // The VM, made if it was never heard of.
  ServedVm& VmOf(const std::string& name);
  Result<std::unique_ptr<Connection>> ConnectDisk(const DiskExport& name,
                                                  const std::string& client);
  Status ConnectWriter(const std::string& disk, ServedVm& vm,
                       const Writer& writer, const std::string& client);

  const std::unique_ptr<EpochStore> store_;
  // Filled by Open(), then never changed.
  std::map<std::string, Disk> disks_;
  std::mutex vms_mutex_;
  // Only grows, so that references stay good. vms_mutex_
  std::map<std::string, std::unique_ptr<ServedVm>> vms_;
};

}  // namespace ft::shared_disk
