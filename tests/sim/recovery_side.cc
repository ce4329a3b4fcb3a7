// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/recovery_side.h"

#include "primary/outlook.h"
#include "tests/sim/world.h"

namespace ft::sim {

using Kind = fencing::Action::Kind;
using primary::RecoveryVerdict;

RecoverySide::RecoverySide(World& world, Ftd& ftd, int host)
    : world_(world),
      ftd_(ftd),
      host_(host),
      engine_(*world.hosts[host].engine) {
  reading_ = true;
  world_.store.Read(host, ftd.side_id());
}

void RecoverySide::Beats() { engine_.Beat(); }

void RecoverySide::Script() {
  if (contender_) {
    if (!contender_->waiting()) return;
    const bool carrier = world_.hosts[host_].carrier;
    return Do(contender_->Step(ftd_.Now(), carrier, !engine_.running()));
  }
  if (!reading_ && ftd_.Now() >= read_again_) {
    reading_ = true;
    world_.store.Read(host_, ftd_.side_id());
  }
}

void RecoverySide::OnStoreRead(bool ok,
                               const std::optional<fencing::VmRecord>& record) {
  reading_ = false;
  if (contender_) return;
  if (!ok) {
    read_again_ = ftd_.Now() + std::chrono::milliseconds(500);
    return;
  }
  const std::string& host = world_.hosts[host_].name;
  // Its store has every epoch that was ever given.
  constexpr uint64_t kKnown = 0;
  switch (primary::JudgeRecovery(record, kKnown, host, engine_.holding())) {
    case RecoveryVerdict::kAskAgain:
    case RecoveryVerdict::kKill:
      engine_.Die("engine killed: the record is another's");
      return ftd_.EndSide({.why = "recovered: fenced"});
    case RecoveryVerdict::kAlone:
      return RunOn(record->epoch);
    case RecoveryVerdict::kContend:
      break;
  }
  contender_.emplace(
      fencing::ContenderOptions{
          .role = fencing::Role::kPrimary,
          .epoch = record->epoch,
          .detector = fencing::FailureDetectorOptions::Primary()},
      ftd_.Now());
  Do(contender_->arbitration().Suspect(ftd_.Now(),
                                       fencing::Suspicion::kRestarted));
}

void RecoverySide::OnStoreAnswer(fencing::TestAndSetOutcome outcome) {
  Do(contender_->OnAnswer(ftd_.Now(), outcome, !engine_.running()));
}

void RecoverySide::Do(const fencing::Action& action) {
  switch (action.kind) {
    case Kind::kContend:
      world_.Note(host_, "recovering, contends for epoch %1", action.epoch + 1);
      return world_.store.Acquire(host_, ftd_.side_id(), action.epoch);
    case Kind::kContinueAlone:
      return RunOn(action.epoch);
    case Kind::kHalt:
      engine_.Die("engine killed: halted in recovery");
      return ftd_.EndSide({.why = "recovered: halted"});
    default:
      return;
  }
}

void RecoverySide::RunOn(uint64_t epoch) {
  end_ = {.runs = true, .epoch = epoch, .why = "recovered"};
  if (!engine_.running()) return OnEngineExit();
  engine_.Ask(Engine::Command::kUnprotect, ftd_.side_id(), epoch);
}

void RecoverySide::OnEngineAnswer(Engine::Command) { ftd_.EndSide(end_); }

void RecoverySide::OnEngineExit() {
  ftd_.EndSide({.epoch = end_.epoch, .why = "engine ended in recovery"});
}

}  // namespace ft::sim
