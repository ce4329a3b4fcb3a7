// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/outlook.h"

namespace ft::primary {

Turn NextTurn(const Outlook& outlook) {
  if (outlook.gone) return Turn::kVmGone;
  if (outlook.peer_bye) return Turn::kPeerLeft;
  if (outlook.disable) return Turn::kEndByOperator;
  if (outlook.damaged) return Turn::kGiveEngineUp;
  if (outlook.orphaned) return Turn::kSuspectOurselves;
  if (outlook.stalled) return Turn::kSuspectNoProgress;
  if (outlook.silent) return Turn::kGiveEngineUp;
  return Turn::kWatch;
}

LastWord LastWordOf(bool guest_shutdown, bool may_be_entitled) {
  if (guest_shutdown) return LastWord::kBye;
  return may_be_entitled ? LastWord::kVmGone : LastWord::kNone;
}

ProgressWatch::Stall ProgressWatch::Look(Time now, LogPosition sent,
                                         LogPosition received,
                                         LogPosition replayed) {
  if (received == sent) received_at_ = now;
  if (replayed == sent) replayed_at_ = now;
  if (now - received_at_ > timeout_) return Stall::kAcknowledges;
  if (now - replayed_at_ > timeout_) return Stall::kExecutes;
  return Stall::kNone;
}

// A lease counts that was there at any time since the last look.
bool LeaseGap::Look(fencing::Instant now, fencing::Instant until) {
  const bool first = looked_ == fencing::Instant{};
  const bool lacking = !first && until <= looked_;
  looked_ = now;
  if (lacking == waits_) since_ = now;
  if (now - since_ < kLong) return false;
  waits_ = lacking;
  since_ = now;
  return true;
}

RecoveryVerdict JudgeRecovery(const std::optional<fencing::VmRecord>& record,
                              uint64_t known_epoch, std::string_view host,
                              bool holding) {
  if ((record ? record->epoch : 0) < known_epoch) {
    return RecoveryVerdict::kAskAgain;
  }
  if (!record || record->holder != host) return RecoveryVerdict::kKill;
  return holding ? RecoveryVerdict::kContend : RecoveryVerdict::kAlone;
}

}  // namespace ft::primary
