// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/swap_test_and_set.h"

#include <utility>

namespace ft::fencing {
namespace {

// A swap fails without a new epoch only when another VM took the place; as
// many VMs would have to be started for the first time at once.
constexpr int kTries = 16;

Status CheckNames(const std::string& vm, const std::string& host) {
  if (Status s = ValidateName("VM name", vm); !s.ok()) return s;
  return ValidateName("host name", host);
}

}  // namespace

SwapTestAndSet::SwapTestAndSet(std::string where,
                               std::chrono::milliseconds timeout)
    : where_(std::move(where)), timeout_(timeout) {}

Status SwapTestAndSet::Probe() {
  return Try(std::chrono::steady_clock::now() + kProbeTimeout);
}

Result<std::optional<VmRecord>> SwapTestAndSet::Read(const std::string& vm) {
  if (Status s = ValidateName("VM name", vm); !s.ok()) return s;
  Result<Found> found = Find(vm, Start());
  if (!found.ok()) return found.status();
  return std::move(found->record);
}

TestAndSetAnswer SwapTestAndSet::Acquire(const std::string& vm,
                                         uint64_t expected_epoch,
                                         const std::string& contender) {
  using Answer = TestAndSetAnswer;
  if (Status s = CheckNames(vm, contender); !s.ok()) {
    return Answer::Unreachable(s);
  }
  const VmRecord wanted{vm, expected_epoch + 1, contender};
  const Result<VmRecord> newest = Change(expected_epoch, wanted, Start());
  if (!newest.ok()) return Answer::Unreachable(newest.status());
  if (*newest != wanted) return Answer::HeldByPeer(*newest);
  return Answer::Acquired(wanted);
}

Status SwapTestAndSet::Release(const std::string& vm, uint64_t epoch,
                               const std::string& holder) {
  if (Status s = CheckNames(vm, holder); !s.ok()) return s;
  const Deadline deadline = Start();
  const Result<Found> before = Find(vm, deadline);
  if (!before.ok()) return before.status();
  const VmRecord ours{vm, epoch, holder};
  const VmRecord wanted{vm, epoch + 1, ""};
  const std::optional<VmRecord>& record = before.value().record;
  if (record != ours && record != wanted) {
    return Status::Invalid(vm + " is not held by " + holder + " in epoch " +
                           std::to_string(epoch));
  }
  const Result<VmRecord> newest = Change(epoch, wanted, deadline);
  if (!newest.ok()) return newest.status();
  if (*newest == wanted) return Status::Ok();
  return Status::Invalid(vm + " was taken by " + newest.value().holder +
                         " in epoch " + std::to_string(newest.value().epoch));
}

Result<VmRecord> SwapTestAndSet::Change(uint64_t expected_epoch,
                                        const VmRecord& wanted,
                                        Deadline deadline) {
  for (int i = 0; i < kTries; ++i) {
    Result<Found> found = Find(wanted.vm, deadline);
    if (!found.ok()) return found.status();
    const uint64_t epoch = found->record ? found->record->epoch : 0;
    if (epoch < expected_epoch) return TooOld(wanted.vm, expected_epoch, epoch);
    if (epoch > expected_epoch) return std::move(*found->record);
    const Result<bool> swapped = Swap(*found, wanted, deadline);
    if (!swapped.ok()) return swapped.status();
    if (*swapped) return wanted;
  }
  return Status::Unavailable(
      where_ + " refuses to change the record of " + wanted.vm,
      "ftctl fencing test tells whether this storage can be used");
}

Status SwapTestAndSet::TooOld(const std::string& vm, uint64_t expected,
                              uint64_t found) const {
  const std::string has =
      found == 0 ? "no record of " + vm
                 : "only epoch " + std::to_string(found) + " of " + vm;
  return Status::Unavailable(where_ + " has " + has + ", which runs in epoch " +
                                 std::to_string(expected),
                             "use the store that it was started with");
}

}  // namespace ft::fencing
