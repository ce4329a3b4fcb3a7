// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/record_test_and_set.h"

namespace ft::fencing {
namespace {

Status CheckNames(const std::string& vm, const std::string& host) {
  if (Status s = ValidateName("VM name", vm); !s.ok()) return s;
  return ValidateName("host name", host);
}

}  // namespace

Result<std::optional<VmRecord>> RecordTestAndSet::Read(const std::string& vm) {
  if (Status s = ValidateName("VM name", vm); !s.ok()) return s;
  return Newest(vm, Start());
}

TestAndSetAnswer RecordTestAndSet::Acquire(const std::string& vm,
                                           uint64_t expected_epoch,
                                           const std::string& contender) {
  using Answer = TestAndSetAnswer;
  if (Status s = CheckNames(vm, contender); !s.ok()) {
    return Answer::Unreachable(s);
  }
  const VmRecord wanted{vm, expected_epoch + 1, contender};
  const Result<VmRecord> newest =
      Change(expected_epoch, wanted, contender, Start());
  if (!newest.ok()) return Answer::Unreachable(newest.status());
  if (*newest != wanted) return Answer::HeldByPeer(*newest);
  return Answer::Acquired(wanted);
}

Status RecordTestAndSet::Release(const std::string& vm, uint64_t epoch,
                                 const std::string& holder) {
  if (Status s = CheckNames(vm, holder); !s.ok()) return s;
  const Deadline deadline = Start();
  const Result<std::optional<VmRecord>> before = Newest(vm, deadline);
  if (!before.ok()) return before.status();
  const VmRecord ours{vm, epoch, holder};
  const VmRecord wanted{vm, epoch + 1, ""};
  if (before.value() != ours && before.value() != wanted) {
    return Status::Invalid(vm + " is not held by " + holder + " in epoch " +
                           std::to_string(epoch));
  }
  const Result<VmRecord> newest = Change(epoch, wanted, holder, deadline);
  if (!newest.ok()) return newest.status();
  if (*newest == wanted) return Status::Ok();
  return Status::Invalid(vm + " was taken by " + newest.value().holder +
                         " in epoch " + std::to_string(newest.value().epoch));
}

Status RecordTestAndSet::TooOld(const std::string& store, const std::string& vm,
                                uint64_t expected, uint64_t found,
                                const std::string& remedy) {
  const std::string has =
      found == 0 ? "no record of " + vm
                 : "only epoch " + std::to_string(found) + " of " + vm;
  return Status::Unavailable(store + " has " + has + ", which runs in epoch " +
                                 std::to_string(expected),
                             remedy);
}

}  // namespace ft::fencing
