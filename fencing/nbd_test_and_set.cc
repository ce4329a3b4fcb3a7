// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/nbd_test_and_set.h"

namespace ft::fencing {
namespace {

using shared_disk::Record;

// A VM that is never started: its record is read to see that one can be.
constexpr char kProbedVm[] = "probe";

}  // namespace

VmRecord NbdTestAndSet::FromRecord(const Record& record) const {
  return {record.vm.substr(prefix_.size()), record.epoch, record.holder};
}

Record NbdTestAndSet::ToRecord(const VmRecord& record) const {
  return {prefix_ + record.vm, record.epoch, record.holder};
}

Result<VmRecord> NbdTestAndSet::TryChange(NbdRecordClient& client,
                                          uint64_t expected_epoch,
                                          const VmRecord& wanted) const {
  // A lost round is one that somebody else won, so the second finds another
  // epoch and is the last.
  for (int round = 0; round < 2; ++round) {
    auto before = client.Read();
    if (!before.ok()) return before.status();
    const uint64_t epoch = *before ? (*before)->epoch : 0;
    if (epoch < expected_epoch) {
      return TooOld("disk service " + address_, wanted.vm, expected_epoch,
                    epoch,
                    "it is another service, or its store was restored from a "
                    "copy: use the one that all hosts use");
    }
    if (epoch > expected_epoch) return FromRecord(**before);
    auto won = client.TestAndSet(*before, ToRecord(wanted));
    if (!won.ok()) return won.status();
    if (*won) return wanted;
  }
  return Status::Unavailable(
      "disk service " + address_ + " refuses the test-and-set of " + wanted.vm,
      "its log says why");
}

NbdTestAndSet::NbdTestAndSet(std::string address,
                             std::chrono::milliseconds deadline,
                             std::string prefix)
    : RecordTestAndSet(deadline),
      address_(std::move(address)),
      deadline_(deadline),
      prefix_(std::move(prefix)) {}

NbdTestAndSet::~NbdTestAndSet() = default;

Status NbdTestAndSet::Probe() { return Read(kProbedVm).status(); }

NbdTestAndSet::Client NbdTestAndSet::TakeKept(const std::string& vm) {
  const std::lock_guard lock(mutex_);
  auto& kept = kept_[vm];
  if (kept.empty()) return nullptr;
  Client client = std::move(kept.back());
  kept.pop_back();
  return client;
}

void NbdTestAndSet::Keep(const std::string& vm, Client client) {
  const std::lock_guard lock(mutex_);
  kept_[vm].push_back(std::move(client));
}

// A kept connection may have broken long ago; that is no news of the
// service. A new one that breaks is. Asking twice is safe: see TestAndSet.
template <typename T, typename Ask>
Result<T> NbdTestAndSet::With(const std::string& vm, Ask ask) {
  const auto begun = std::chrono::steady_clock::now();
  if (Client kept = TakeKept(vm)) {
    kept->Restart();
    Result<T> answer = ask(*kept);
    if (answer.ok()) Keep(vm, std::move(kept));
    const auto took = std::chrono::steady_clock::now() - begun;
    if (answer.ok() || took >= deadline_) return answer;
  }
  auto client = NbdRecordClient::Connect(address_, prefix_ + vm, deadline_);
  if (!client.ok()) return client.status();
  Result<T> answer = ask(**client);
  if (answer.ok()) Keep(vm, std::move(client).value());
  return answer;
}

Result<std::optional<VmRecord>> NbdTestAndSet::Newest(const std::string& vm,
                                                      Deadline /*deadline*/) {
  return With<std::optional<VmRecord>>(
      vm, [this](NbdRecordClient& client) -> Result<std::optional<VmRecord>> {
        auto record = client.Read();
        if (!record.ok()) return record.status();
        if (!*record) return std::optional<VmRecord>();
        return std::optional<VmRecord>(FromRecord(**record));
      });
}

Result<VmRecord> NbdTestAndSet::Change(uint64_t expected_epoch,
                                       const VmRecord& wanted,
                                       const std::string& /*writer*/,
                                       Deadline /*deadline*/) {
  return With<VmRecord>(wanted.vm, [&](NbdRecordClient& client) {
    return TryChange(client, expected_epoch, wanted);
  });
}

}  // namespace ft::fencing
