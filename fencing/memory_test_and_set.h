// SPDX-License-Identifier: GPL-2.0-or-later
//
// MemoryTestAndSet: a test-and-set in memory whose faults are at hand, for
// tests of whoever uses one. It is held to the same conformance suite as
// the real backends.
//
// Fault model: the store is unreachable, before or after it carries out the
// request (the reply is lost), or it hangs. It never lies.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>

#include "fencing/test_and_set.h"

namespace ft::fencing {

class MemoryTestAndSet : public TestAndSet {
 public:
  enum class Fault {
    kNone,
    // Refuses every call and changes nothing.
    kUnreachable,
    // Carries out every call and answers that it is unreachable.
    kLostReply,
    // Blocks every call until the fault is another one, then carries it out
    // under that one.
    kHangs,
  };

  // Of every later call, and of those that hang now.
  void SetFault(Fault fault);

  Result<std::optional<VmRecord>> Read(const std::string& vm) override;
  TestAndSetAnswer Acquire(const std::string& vm, uint64_t expected_epoch,
                           const std::string& contender) override;
  Status Release(const std::string& vm, uint64_t epoch,
                 const std::string& holder) override;

  // Calls so far, refused ones included.
  int calls() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  // The fault that this call meets, after any hanging.
  Fault Meet(Lock& lock);

  mutable std::mutex mutex_;
  std::condition_variable fault_changed_;
  // Everything below under mutex_.
  Fault fault_ = Fault::kNone;
  int calls_ = 0;
  std::map<std::string, VmRecord> records_;
};

}  // namespace ft::fencing
