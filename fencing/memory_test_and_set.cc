// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/memory_test_and_set.h"

namespace ft::fencing {
namespace {

Status Gone() {
  return Status::Unavailable("the store is unreachable", "wait");
}

}  // namespace

void MemoryTestAndSet::SetFault(Fault fault) {
  Lock lock(mutex_);
  fault_ = fault;
  fault_changed_.notify_all();
}

int MemoryTestAndSet::calls() const {
  Lock lock(mutex_);
  return calls_;
}

MemoryTestAndSet::Fault MemoryTestAndSet::Meet(Lock& lock) {
  ++calls_;
  fault_changed_.wait(lock, [this] { return fault_ != Fault::kHangs; });
  return fault_;
}

Result<std::optional<VmRecord>> MemoryTestAndSet::Read(const std::string& vm) {
  if (Status s = ValidateName("VM name", vm); !s.ok()) return s;
  Lock lock(mutex_);
  if (Meet(lock) != Fault::kNone) return Gone();
  const auto found = records_.find(vm);
  if (found == records_.end()) return std::optional<VmRecord>();
  return std::optional<VmRecord>(found->second);
}

TestAndSetAnswer MemoryTestAndSet::Acquire(const std::string& vm,
                                           uint64_t expected_epoch,
                                           const std::string& contender) {
  using Answer = TestAndSetAnswer;
  for (Status s :
       {ValidateName("VM name", vm), ValidateName("host name", contender)}) {
    if (!s.ok()) return Answer::Unreachable(s);
  }
  Lock lock(mutex_);
  const Fault fault = Meet(lock);
  if (fault == Fault::kUnreachable) return Answer::Unreachable(Gone());
  const auto found = records_.find(vm);
  const uint64_t epoch = found == records_.end() ? 0 : found->second.epoch;
  const VmRecord wanted{vm, expected_epoch + 1, contender};
  if (epoch < expected_epoch) {
    return Answer::Unreachable(Status::Unavailable("the store is too old"));
  }
  if (epoch == expected_epoch) records_[vm] = wanted;
  if (fault == Fault::kLostReply) return Answer::Unreachable(Gone());
  const VmRecord& newest = records_[vm];
  return newest == wanted ? Answer::Acquired(wanted)
                          : Answer::HeldByPeer(newest);
}

Status MemoryTestAndSet::Release(const std::string& vm, uint64_t epoch,
                                 const std::string& holder) {
  Lock lock(mutex_);
  const Fault fault = Meet(lock);
  if (fault == Fault::kUnreachable) return Gone();
  const auto found = records_.find(vm);
  const VmRecord released{vm, epoch + 1, ""};
  if (found == records_.end() ||
      (found->second != released &&
       found->second != VmRecord{vm, epoch, holder})) {
    return Status::Invalid(vm + " is not held by " + holder);
  }
  found->second = released;
  return fault == Fault::kLostReply ? Gone() : Status::Ok();
}

}  // namespace ft::fencing
