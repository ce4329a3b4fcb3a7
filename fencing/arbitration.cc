// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/arbitration.h"

#include <algorithm>

#include "logchannel/check.h"

namespace ft::fencing {

const char* ToString(ArbitrationState state) {
  switch (state) {
    case ArbitrationState::kWatching:
      return "watching";
    case ArbitrationState::kWaiting:
      return "waiting";
    case ArbitrationState::kContending:
      return "contending";
    case ArbitrationState::kLive:
      return "live";
    case ArbitrationState::kHalted:
      return "halted";
  }
  return "?";
}

const char* ToString(HaltReason reason) {
  switch (reason) {
    case HaltReason::kHeldByPeer:
      return "test-and-set is held by the peer";
    case HaltReason::kNotEntitled:
      return "the primary was lost before protection began";
    case HaltReason::kOwnVmGone:
      return "the VM died here";
    case HaltReason::kHandedOver:
      return "handed over to the backup";
    case HaltReason::kProtectionEnded:
      return "protection ended by the operator";
  }
  return "?";
}

Arbitration::Arbitration(const Options& options) : options_(options) {
  FT_CHECK(options.epoch >= 1) << "a pair runs in epoch 1 or later";
  FT_CHECK(options.first_retry.count() > 0 &&
           options.first_retry <= options.longest_retry)
      << "first retry " << options.first_retry.count() << " ms, longest "
      << options.longest_retry.count() << " ms";
}

// A silence may turn into a suspicion that lasts, never the other way.
Action Arbitration::Suspect(Instant now, Suspicion reason) {
  const bool replaceable = state_ == State::kWaiting && attempts_ == 0 &&
                           (suspicion_ == Suspicion::kSilence ||
                            reason == Suspicion::kProtectionEnded);
  if (state_ != State::kWatching && !replaceable) return {};
  suspicion_ = reason;
  if (options_.role == Role::kBackup && !entitled_) {
    return Halt(HaltReason::kNotEntitled);
  }
  // While the carrier settles there is a due time to keep.
  if (due_ && now < *due_) return {};
  return ContendOrWait();
}

Action Arbitration::OnVerdict(Instant now, std::optional<Suspicion> verdict) {
  if (verdict) return Suspect(now, *verdict);
  if (state_ == State::kWaiting && attempts_ == 0 &&
      suspicion_ == Suspicion::kSilence) {
    state_ = State::kWatching;
    suspicion_.reset();
    due_.reset();
    CheckInvariants();
  }
  return {};
}

Action Arbitration::OnAnswer(Instant now, TestAndSetOutcome outcome) {
  FT_CHECK(question_open_) << "an answer to no question, " << ToString(state_);
  question_open_ = false;
  if (state_ == State::kHalted) {
    const bool won_for_nobody = outcome == TestAndSetOutcome::kAcquired &&
                                halt_reason_ == HaltReason::kOwnVmGone;
    if (!won_for_nobody) return {};
    return {.kind = Action::Kind::kRelease, .epoch = options_.epoch + 1};
  }
  switch (outcome) {
    case TestAndSetOutcome::kAcquired:
      return Acquired();
    case TestAndSetOutcome::kHeldByPeer:
      return Halt(HaltReason::kHeldByPeer);
    case TestAndSetOutcome::kUnreachable:
      return Unreachable(now);
  }
  FT_CHECK(false) << "outcome " << static_cast<int>(outcome);
  return {};
}

Action Arbitration::OnUplink(Instant now, bool has_carrier) {
  const bool returned = has_carrier && !has_carrier_;
  has_carrier_ = has_carrier;
  if (!returned || state_ != State::kWaiting) return {};
  const Instant settled = now + options_.uplink_settle;
  due_ = due_ ? std::max(*due_, settled) : settled;
  return {.kind = Action::Kind::kRetryAt, .at = *due_};
}

void Arbitration::OnEntitled() {
  FT_CHECK(options_.role == Role::kBackup) << "a primary is always entitled";
  entitled_ = true;
}

Action Arbitration::OnHandover(Instant) {
  FT_CHECK(options_.role == Role::kBackup) << "a primary hands over";
  const bool following = state_ == State::kWatching ||
                         (state_ == State::kWaiting && attempts_ == 0);
  if (!following) return {};
  const char* refusal = !entitled_      ? "protection has not begun"
                        : !has_carrier_ ? "the backup's uplink has no carrier"
                                        : nullptr;
  if (refusal != nullptr) {
    return {.kind = Action::Kind::kRefuse, .refusal = refusal};
  }
  suspicion_ = Suspicion::kHandover;
  return Contend();
}

Action Arbitration::OnHandedOver() {
  FT_CHECK(options_.role == Role::kPrimary) << "a backup takes over";
  if (state_ == State::kLive || state_ == State::kHalted) return {};
  return Halt(HaltReason::kHandedOver);
}

Action Arbitration::OnOwnVmGone() {
  if (state_ == State::kLive || state_ == State::kHalted) return {};
  return Halt(HaltReason::kOwnVmGone);
}

Action Arbitration::OnBye() {
  FT_CHECK(options_.role == Role::kBackup) << "a primary says Bye";
  if (!may_acknowledge()) return {};
  return Halt(HaltReason::kProtectionEnded);
}

Action Arbitration::Tick(Instant now) {
  if (!due_ || now < *due_) return {};
  due_.reset();
  return ContendOrWait();
}

bool Arbitration::may_acknowledge() const {
  return state_ == State::kWatching ||
         (state_ == State::kWaiting && attempts_ == 0);
}

// Only the primary that ends protection by will needs no carrier: it runs
// on as before whatever its uplink does.
Action Arbitration::ContendOrWait() {
  if (has_carrier_ || suspicion_ == Suspicion::kProtectionEnded) {
    return Contend();
  }
  state_ = State::kWaiting;
  CheckInvariants();
  return {};
}

Action Arbitration::Contend() {
  state_ = State::kContending;
  question_open_ = true;
  ++attempts_;
  due_.reset();
  CheckInvariants();
  return {.kind = Action::Kind::kContend, .epoch = options_.epoch};
}

Action Arbitration::Acquired() {
  state_ = State::kLive;
  CheckInvariants();
  return {.kind = options_.role == Role::kPrimary ? Action::Kind::kContinueAlone
                                                  : Action::Kind::kGoLive,
          .epoch = options_.epoch + 1};
}

Action Arbitration::Unreachable(Instant now) {
  state_ = State::kWaiting;
  due_ = now + RetryDelay();
  CheckInvariants();
  return {.kind = Action::Kind::kRetryAt, .at = *due_};
}

Action Arbitration::Halt(HaltReason reason) {
  state_ = State::kHalted;
  halt_reason_ = reason;
  due_.reset();
  CheckInvariants();
  return {.kind = Action::Kind::kHalt, .halt = reason};
}

std::chrono::milliseconds Arbitration::RetryDelay() const {
  auto delay = options_.first_retry;
  for (int i = 1; i < attempts_ && delay < options_.longest_retry; ++i) {
    delay *= 2;
  }
  return std::min(delay, options_.longest_retry);
}

void Arbitration::CheckInvariants() const {
  const char* state = ToString(state_);
  // A question is open exactly while contending, but for a side that had to
  // halt meanwhile.
  FT_CHECK(question_open_ == (state_ == State::kContending) ||
           state_ == State::kHalted)
      << "question open " << question_open_ << ", " << state;
  // Only a waiting side waits for a time.
  FT_CHECK(!due_ || state_ == State::kWaiting) << state;
  // A watching side follows no suspicion and has never contended.
  FT_CHECK(state_ != State::kWatching || (!suspicion_ && attempts_ == 0))
      << "attempts " << attempts_;
  // Nobody is live without having asked.
  FT_CHECK(state_ != State::kLive || attempts_ > 0) << state;
  // A backup that is not entitled has never asked.
  FT_CHECK(options_.role == Role::kPrimary || entitled_ || attempts_ == 0)
      << "attempts " << attempts_;
}

}  // namespace ft::fencing
