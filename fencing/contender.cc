// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/contender.h"

namespace ft::fencing {

using Kind = Action::Kind;

Contender::Contender(const Options& options, Instant now)
    : detector_(options.detector, options.epoch, now),
      arbitration_({.role = options.role, .epoch = options.epoch}) {}

Action Contender::Step(Instant now, bool has_carrier, bool own_vm_gone) {
  if (own_vm_gone) return arbitration_.OnOwnVmGone();
  Action action;
  if (has_carrier != arbitration_.has_carrier()) {
    action = arbitration_.OnUplink(now, has_carrier);
  }
  if (action.kind == Kind::kNone) {
    action = arbitration_.OnVerdict(now, detector_.Tick(now));
  }
  const auto due = arbitration_.next_deadline();
  if (action.kind == Kind::kNone && due && *due <= now) {
    action = arbitration_.Tick(now);
  }
  return action;
}

Action Contender::OnAnswer(Instant now, TestAndSetOutcome outcome,
                           bool own_vm_gone) {
  if (own_vm_gone) (void)arbitration_.OnOwnVmGone();
  const Action next = arbitration_.OnAnswer(now, outcome);
  const bool won_for_nobody = next.kind == Kind::kRelease;
  const bool halted_before =
      arbitration_.state() == ArbitrationState::kHalted &&
      next.kind == Kind::kNone;
  if (!won_for_nobody && !halted_before) return next;
  return {.kind = Kind::kHalt,
          .epoch = won_for_nobody ? next.epoch : 0,
          .halt = arbitration_.halt_reason()};
}

bool TakenByAnother(const std::optional<VmRecord>& record, uint64_t epoch,
                    std::string_view host) {
  return record && record->epoch > epoch && record->holder != host;
}

}  // namespace ft::fencing
