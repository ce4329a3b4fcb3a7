// SPDX-License-Identifier: GPL-2.0-or-later
//
// RecordTestAndSet: what all stores have in common that hold one record per
// VM, whatever their atomic step is. A store says which record is the newest
// and how to put another in its place; what TestAndSet promises beyond that
// is decided here:
//
//     Acquire(vm1, 7, hostB)        Change(7, {vm1, 8, hostB})
//          the record is now            ours: acquired. Else: held by peer
//     Release(vm1, 8, hostB)        only if it is ours, or released already
//
// Nothing here has state; as thread-safe as the store.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "fencing/test_and_set.h"

namespace ft::fencing {

using Deadline = std::chrono::steady_clock::time_point;

class RecordTestAndSet : public TestAndSet {
 public:
  Result<std::optional<VmRecord>> Read(const std::string& vm) final;
  TestAndSetAnswer Acquire(const std::string& vm, uint64_t expected_epoch,
                           const std::string& contender) final;
  Status Release(const std::string& vm, uint64_t epoch,
                 const std::string& holder) final;

 protected:
  // `timeout`: how long a call may take, as a Deadline to those below.
  explicit RecordTestAndSet(std::chrono::milliseconds timeout)
      : timeout_(timeout) {}

  // The record of `vm`, a valid name, durable. kUnavailable: the store, or a
  // record that makes no sense.
  virtual Result<std::optional<VmRecord>> Newest(const std::string& vm,
                                                 Deadline deadline) = 0;
  // Puts `wanted` in place if the newest record is of `expected_epoch` (0:
  // there is none), and says what the newest one is then, ours or not; by
  // then it is durable. kUnavailable if it is of an older epoch: another
  // store than ours. `writer`: the host that asks.
  virtual Result<VmRecord> Change(uint64_t expected_epoch,
                                  const VmRecord& wanted,
                                  const std::string& writer,
                                  Deadline deadline) = 0;

  // What Change says of a record that is of an older epoch than expected.
  // `store` in words; `remedy`: which store to use instead.
  static Status TooOld(const std::string& store, const std::string& vm,
                       uint64_t expected, uint64_t found,
                       const std::string& remedy);

 private:
  Deadline Start() const { return std::chrono::steady_clock::now() + timeout_; }

  const std::chrono::milliseconds timeout_;
};

}  // namespace ft::fencing
