// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set.h"

#include <algorithm>

namespace ft::fencing {
namespace {

constexpr size_t kLongestName = 63;

bool IsLetterOrDigit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9');
}

std::string Describe(const VmRecord& record) {
  return "epoch " + std::to_string(record.epoch) +
         (record.released() ? " is released" : " is held by " + record.holder);
}

// Names come from files and the network: shown without control characters.
std::string Quoted(std::string_view name) {
  std::string quoted = "'";
  for (char c : name.substr(0, kLongestName)) {
    quoted += c >= ' ' && c <= '~' ? c : '?';
  }
  return quoted + (name.size() > kLongestName ? "...'" : "'");
}

}  // namespace

const char* ToString(TestAndSetOutcome outcome) {
  switch (outcome) {
    case TestAndSetOutcome::kAcquired:
      return "acquired";
    case TestAndSetOutcome::kHeldByPeer:
      return "held by peer";
    case TestAndSetOutcome::kUnreachable:
      return "unreachable";
  }
  return "?";
}

TestAndSetAnswer TestAndSetAnswer::Acquired(VmRecord record) {
  return {TestAndSetOutcome::kAcquired, std::move(record), Status::Ok()};
}

TestAndSetAnswer TestAndSetAnswer::HeldByPeer(VmRecord record) {
  Status error = Status::Invalid("test-and-set for " + Describe(record));
  return {TestAndSetOutcome::kHeldByPeer, std::move(record), std::move(error)};
}

TestAndSetAnswer TestAndSetAnswer::Unreachable(Status error) {
  return {TestAndSetOutcome::kUnreachable, std::nullopt, std::move(error)};
}

Status ValidateName(std::string_view what, std::string_view name) {
  const bool fits =
      !name.empty() && name.size() <= kLongestName &&
      IsLetterOrDigit(name.front()) &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-';
      });
  if (fits) return Status::Ok();
  return Status::Invalid(
      std::string(what) + " " + Quoted(name) + " cannot be used",
      "use 1 to 63 of A-Z a-z 0-9 . _ -, beginning with a letter or digit");
}

Status VerifySameStore(const Result<std::optional<VmRecord>>& read,
                       const std::string& vm, uint64_t epoch,
                       const std::string& holder) {
  if (!read.ok()) return read.status();
  const std::optional<VmRecord>& record = read.value();
  if (record && record->epoch == epoch && record->holder == holder) {
    return Status::Ok();
  }
  return Status::Invalid(holder + " runs " + vm + " in epoch " +
                             std::to_string(epoch) + ", but here " +
                             (record ? Describe(*record) : "it has no record"),
                         "make both hosts use the same test-and-set store");
}

}  // namespace ft::fencing
