// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/protection.h"

#include <string>

#include "logchannel/check.h"

namespace ft::primary {

void Protection::OnClone(LogPosition position) {
  FT_CHECK(!cloned_) << "a second clone at " << position;
  cloned_ = true;
  sent_ = received_ = replayed_ = position;
}

void Protection::OnSent(LogPosition position) {
  FT_CHECK(cloned_ && position >= sent_)
      << "sent " << position << " after " << sent_;
  sent_ = position;
}

Status Protection::OnAck(LogPosition received, LogPosition replayed,
                         bool entitled) {
  if (!cloned_) {
    return Status::Invalid("the backup acknowledged log before the clone");
  }
  if (received > sent_) {
    return Status::Invalid("the backup acknowledged " +
                           std::to_string(received) + ", only " +
                           std::to_string(sent_) + " was sent");
  }
  if (received < received_ || replayed < replayed_) {
    return Status::Invalid("the backup's acknowledgement went back to " +
                           std::to_string(received) + "/" +
                           std::to_string(replayed));
  }
  if (replayed > received) {
    return Status::Invalid("the backup says it replayed " +
                           std::to_string(replayed) + " of " +
                           std::to_string(received));
  }
  if (entitled && (!protect_ || received < *protect_)) {
    return Status::Invalid("the backup says that it is entitled with " +
                           std::to_string(received) + " received");
  }
  received_ = received;
  replayed_ = replayed;
  peer_entitled_ |= entitled;
  return Status::Ok();
}

void Protection::OnProtect(LogPosition position) {
  FT_CHECK(cloned_ && !protect_) << "Protect at " << position;
  protect_ = position;
}

Protection::Phase Protection::phase() const {
  if (!cloned_) return Phase::kConnecting;
  if (!protect_) return Phase::kCatchingUp;
  return peer_entitled_ ? Phase::kProtected : Phase::kProtecting;
}

bool Protection::CaughtUp(LogPosition committed, std::chrono::milliseconds lag,
                          Time now) {
  if (!first_look_) {
    first_look_ = committed;
    looked_ = behind_ = now;
  }
  const auto lag_max = now - looked_ < kPatience ? kCaughtUpLag : kLagMax;
  const bool near = cloned_ && replayed_ >= *first_look_ &&
                    committed - received_ < kCaughtUpBytes &&
                    (lag < lag_max || now - looked_ >= kLongPatience);
  if (!near) behind_ = now;
  return now - behind_ >= kCaughtUpFor;
}

}  // namespace ft::primary
