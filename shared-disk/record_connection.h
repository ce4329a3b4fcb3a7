// SPDX-License-Identifier: GPL-2.0-or-later
//
// RecordConnection: a client's connection to the record of one VM, 512 bytes
// that are read and written whole (record.h).
//
//     read  256 at 0     the record, or zeros
//     read  512 at 0     the record, then zeros
//     write 512 at 0     expected and wanted: the test-and-set
//     trim  512 at 0     of a scratch VM (export_name.h): there is no record,
//                        nor any whose VM's name goes on after a dot
//
// A write that is answered with success was a test-and-set that was won, and
// every write to the VM's disks that the new record refuses is over. EPERM:
// the record is not what was expected; it was not changed. EINVAL: no two
// records, or none of this VM. EIO: the record is damaged.
#pragma once

#include <string>

#include "shared-disk/disk_service.h"
#include "shared-disk/export_name.h"

namespace ft::shared_disk {

class RecordConnection : public Connection {
 public:
  // Service and VM outlive it.
  RecordConnection(DiskService& service, ServedVm& vm, std::string client)
      : service_(service), vm_(vm), client_(std::move(client)) {}

  uint64_t size() const override { return kTestAndSetBytes; }
  bool writable() const override { return true; }
  bool is_disk() const override { return false; }
  bool can_trim() const override { return IsScratch(vm_.name); }

  int Read(void* data, uint32_t bytes, uint64_t offset) override;
  int Write(const void* data, uint32_t bytes, uint64_t offset,
            bool durable) override;
  int WriteZeroes(uint32_t, uint64_t, bool, bool) override;
  int Trim(uint32_t bytes, uint64_t offset, bool durable) override;
  // Nothing to do: a test-and-set is durable when it is answered.
  int Flush() override { return 0; }

 private:
  int TestAndSet(const std::optional<Record>& expected, const Record& wanted);

  DiskService& service_;
  ServedVm& vm_;
  const std::string client_;
};

}  // namespace ft::shared_disk
