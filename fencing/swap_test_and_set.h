// SPDX-License-Identifier: GPL-2.0-or-later
//
// SwapTestAndSet: what backends have in common whose store can replace a
// record in one atomic step if it is still the one that was read: SCSI
// COMPARE AND WRITE, a transaction of etcd. A backend says how to find a
// record and how to swap it; everything that TestAndSet promises beyond
// that is decided here:
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

#include "fencing/test_and_set.h"

namespace ft::fencing {

using Deadline = std::chrono::steady_clock::time_point;

class SwapTestAndSet : public TestAndSet {
 public:
  // A little less than AsyncTestAndSet waits, so that its callers read what
  // is wrong and not only that there was no answer.
  static constexpr std::chrono::milliseconds kTimeout{800};

  // For Probe, which may have to connect first.
  static constexpr std::chrono::seconds kProbeTimeout{5};

  Result<std::optional<VmRecord>> Read(const std::string& vm) final;
  TestAndSetAnswer Acquire(const std::string& vm, uint64_t expected_epoch,
                           const std::string& contender) final;
  Status Release(const std::string& vm, uint64_t epoch,
                 const std::string& holder) final;
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
  Deadline Start() const { return std::chrono::steady_clock::now() + timeout_; }
  // Puts `wanted` in place if the record is of `expected_epoch`, and says
  // what the record is then, ours or not.
  Result<VmRecord> Change(uint64_t expected_epoch, const VmRecord& wanted,
                          Deadline deadline);
  Status TooOld(const std::string& vm, uint64_t expected, uint64_t found) const;

  const std::string where_;
  const std::chrono::milliseconds timeout_;
};

}  // namespace ft::fencing
