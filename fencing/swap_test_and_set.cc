// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/swap_test_and_set.h"

#include <utility>

namespace ft::fencing {
namespace {

// A swap fails without a new epoch only when another VM took the place; as
// many VMs would have to be started for the first time at once.
constexpr int kTries = 16;

}  // namespace

SwapTestAndSet::SwapTestAndSet(std::string where,
                               std::chrono::milliseconds timeout)
    : RecordTestAndSet(timeout), where_(std::move(where)) {}

Status SwapTestAndSet::Probe() {
  return Try(std::chrono::steady_clock::now() + kProbeTimeout);
}

Result<std::optional<VmRecord>> SwapTestAndSet::Newest(const std::string& vm,
                                                       Deadline deadline) {
  Result<Found> found = Find(vm, deadline);
  if (!found.ok()) return found.status();
  return std::move(found->record);
}

Result<VmRecord> SwapTestAndSet::Change(uint64_t expected_epoch,
                                        const VmRecord& wanted,
                                        const std::string& /*writer*/,
                                        Deadline deadline) {
  for (int i = 0; i < kTries; ++i) {
    Result<Found> found = Find(wanted.vm, deadline);
    if (!found.ok()) return found.status();
    const uint64_t epoch = found->record ? found->record->epoch : 0;
    if (epoch < expected_epoch) {
      return TooOld(where_, wanted.vm, expected_epoch, epoch,
                    "use the store that it was started with");
    }
    if (epoch > expected_epoch) return std::move(*found->record);
    const Result<bool> swapped = Swap(*found, wanted, deadline);
    if (!swapped.ok()) return swapped.status();
    if (*swapped) return wanted;
  }
  return Status::Unavailable(
      where_ + " refuses to change the record of " + wanted.vm,
      "ftctl fencing test tells whether this storage can be used");
}

}  // namespace ft::fencing
