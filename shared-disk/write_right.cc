// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/write_right.h"

namespace ft::shared_disk {
namespace {

std::optional<Record> RecordOf(const std::optional<WriteRight>& right) {
  if (!right) return std::nullopt;
  return right->record;
}

// What test-and-sets do, and no more: start, take over, go on, stop.
bool MayFollow(const std::optional<Record>& before, const Record& wanted) {
  if (!before) return wanted.epoch == 1 && !wanted.released();
  return wanted.vm == before->vm && wanted.epoch == before->epoch + 1 &&
         !(before->released() && wanted.released());
}

}  // namespace

Verdict MayConnect(const std::optional<WriteRight>& right,
                   const Writer& writer) {
  if (!right || writer.epoch > right->record.epoch) {
    return Verdict::kUnknownEpoch;
  }
  if (writer.epoch < right->oldest_writer) return Verdict::kFenced;
  return Verdict::kMayWrite;
}

Verdict MayWrite(const std::optional<WriteRight>& right, const Writer& writer) {
  const Verdict verdict = MayConnect(right, writer);
  if (verdict != Verdict::kMayWrite) return verdict;
  return writer.host == right->record.holder ? Verdict::kMayWrite
                                             : Verdict::kNotHolder;
}

std::string Explain(Verdict verdict, const Writer& writer,
                    const std::optional<WriteRight>& right) {
  std::string why = Describe(writer);
  switch (verdict) {
    case Verdict::kMayWrite:
      return why + " may write";
    case Verdict::kNotHolder:
      why += " does not hold the record";
      break;
    case Verdict::kFenced:
      why += " is fenced";
      break;
    case Verdict::kUnknownEpoch:
      why += " comes from another store of records";
      break;
  }
  if (!right) return why + ": here is no record";
  return why + ": " + right->record.vm + " is " + Describe(right->record) +
         ", written by engines of epoch " +
         std::to_string(right->oldest_writer) + " and later";
}

Result<WriteRight> AfterTestAndSet(const std::optional<WriteRight>& right,
                                   const std::optional<Record>& expected,
                                   const Record& wanted) {
  const std::optional<Record> before = RecordOf(right);
  if (expected != before) {
    return Status::Invalid("expected " + Describe(expected) + ", found " +
                           Describe(before));
  }
  if (!MayFollow(before, wanted)) {
    return Status::Invalid(Describe(wanted) + " cannot follow " +
                           Describe(before));
  }
  const bool stays = before && (before->holder == wanted.holder);
  const uint64_t oldest = right ? right->oldest_writer : 0;
  // A stop keeps it too: nobody may write, and the next start is rule 1.
  if (stays || wanted.released()) return WriteRight{wanted, oldest};
  return WriteRight{wanted, wanted.epoch - 1};
}

std::optional<WriteRight> AfterConnect(const std::optional<WriteRight>& right,
                                       const Writer& writer) {
  if (MayWrite(right, writer) != Verdict::kMayWrite ||
      writer.epoch == right->oldest_writer) {
    return std::nullopt;
  }
  return WriteRight{right->record, writer.epoch};
}

}  // namespace ft::shared_disk
