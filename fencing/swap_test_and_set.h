// SPDX-License-Identifier: GPL-2.0-or-later
//
// SwapTestAndSet: what backends have in common whose store can replace a
// record in one atomic step if it is still the one that was read: SCSI
// COMPARE AND WRITE, a transaction of etcd. A backend says how to find a
// record and how to swap it; the round between the two is here:
//
//     find {vm1, 7, hostA}      epoch 6 or less: an older store than ours
//          |                    epoch 8 or more: somebody was first
//     swap for {vm1, 8, hostB}  swapped: ours. Not swapped: find again
//
// A swap whose reply was lost is simply tried again by the backend: it then
// does not find what it read, and the record found next is ours.
//
// Every call ends within the timeout, answered or not; Probe within its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "fencing/record_test_and_set.h"

namespace ft::fencing {

class SwapTestAndSet : public RecordTestAndSet {
 public:
  // A little less than AsyncTestAndSet waits, so that its callers read what
  // is wrong and not only that there was no answer.
  static constexpr std::chrono::milliseconds kTimeout{800};

  // For Probe, which may have to connect first.
  static constexpr std::chrono::seconds kProbeTimeout{5};

  Status Probe() final;

 protected:
  // A record as it was found, or the place where it would be.
  struct Found {
    std::optional<VmRecord> record;
    // The backend's own: where it is, and what tells whether it changed.
    uint64_t place = 0;
    std::string content;
  };

  // `where` is the store in messages: "iSCSI LUN iscsi://...".
  explicit SwapTestAndSet(std::string where,
                          std::chrono::milliseconds timeout = kTimeout);

  // The record of `vm`, durable. kUnavailable: the store, or a record that
  // makes no sense.
  virtual Result<Found> Find(const std::string& vm, Deadline deadline) = 0;
  // Puts `wanted` in the place of `found`; false if what is there now is
  // not what was found. True means that it is durable.
  virtual Result<bool> Swap(const Found& found, const VmRecord& wanted,
                            Deadline deadline) = 0;
  // TestAndSet::Probe.
  virtual Status Try(Deadline deadline) = 0;

  const std::string& where() const { return where_; }

 private:
  Result<std::optional<VmRecord>> Newest(const std::string& vm,
                                         Deadline deadline) final;
  Result<VmRecord> Change(uint64_t expected_epoch, const VmRecord& wanted,
                          const std::string& writer, Deadline deadline) final;

  const std::string where_;
};

}  // namespace ft::fencing
