// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/entitlement.h"

#include <string>

#include "logchannel/check.h"

namespace ft::backup {
namespace {

Status Compare(std::optional<LogPosition> done,
               std::optional<LogPosition> followed) {
  if (!done || !followed || *done == *followed) return Status::Ok();
  return Status::Invalid(
      "the primary's clone ended at " + std::to_string(*done) +
      ", the engine here follows from " + std::to_string(*followed));
}

}  // namespace

Status Entitlement::OnCloneDone(LogPosition position) {
  if (clone_done_) return Status::Invalid("the primary sent CloneDone twice");
  Status same = Compare(position, followed_);
  if (!same.ok()) return same;
  clone_done_ = received_ = replayed_ = position;
  return Status::Ok();
}

Status Entitlement::OnFollow(LogPosition position) {
  if (followed_) return Status::Invalid("the engine followed a second clone");
  Status same = Compare(clone_done_, position);
  if (same.ok()) followed_ = position;
  return same;
}

Status Entitlement::CheckEntries(LogPosition first) const {
  if (!following()) {
    return Status::Invalid("the primary sent log before the clone was done");
  }
  if (first == received_) return Status::Ok();
  return Status::Invalid("the primary sent log from " + std::to_string(first) +
                         ", expected " + std::to_string(received_));
}

void Entitlement::OnAppended(LogPosition position) {
  FT_CHECK(following() && position >= received_)
      << "appended through " << position << " after " << received_;
  received_ = position;
}

Status Entitlement::OnReplayed(LogPosition position) {
  if (position < replayed_ || position > received_) {
    return Status::Invalid("the engine here says it replayed " +
                           std::to_string(position) + " after " +
                           std::to_string(replayed_) + ", received " +
                           std::to_string(received_));
  }
  replayed_ = position;
  return Status::Ok();
}

Status Entitlement::OnProtect(LogPosition position) {
  if (!clone_done_) {
    return Status::Invalid("the primary sent Protect before CloneDone");
  }
  if (protect_) return Status::Invalid("the primary sent Protect twice");
  protect_ = position;
  return Status::Ok();
}

Status Entitlement::CheckFinal(LogPosition position) const {
  if (following() && position == received_) return Status::Ok();
  return Status::Invalid("the primary ends the log at " +
                         std::to_string(position) + ", received " +
                         std::to_string(received_));
}

}  // namespace ft::backup
