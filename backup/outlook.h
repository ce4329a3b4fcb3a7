// SPDX-License-Identifier: GPL-2.0-or-later
//
// Outlook: what a backup turns to, of all that may have happened at once.
// First what makes it useless or unwanted, for then it must not contend. The
// agent carries it out (backup_agent.cc, backup_end.cc), and so does the
// simulator. Pure.
#pragma once

namespace ft::backup {

struct Outlook {
  bool diverged = false;        // our engine, from the log
  bool gone = false;            // our engine has ended
  bool guest_shutdown = false;  // ... because the guest powered off
  bool broken = false;          // our engine contradicts the primary
  bool damaged = false;         // our ring
  bool bye = false;             // the primary said Bye
  bool stop = false;            // this host gives the backup up
  bool silent = false;          // our engine, while the primary is heard
  bool clone_late = false;      // the clone did not arrive in time
  bool handover = false;        // a planned failover; the log is executed
};

enum class Turn {
  // Say Bye, never contend, end.
  kLeaveDiverged,
  kLeaveShutdown,
  kLeaveGone,
  kLeaveBroken,
  kLeaveDamaged,
  kConfirmBye,
  kLeaveStopped,
  kLeaveSilent,
  kLeaveCloneLate,
  // Arbitration::OnHandover.
  kHandover,
  // Nothing of these: one step of the contender.
  kWatch,
};

constexpr Turn NextTurn(const Outlook& outlook) {
  if (outlook.diverged) return Turn::kLeaveDiverged;
  if (outlook.gone && outlook.guest_shutdown) return Turn::kLeaveShutdown;
  if (outlook.gone) return Turn::kLeaveGone;
  if (outlook.broken) return Turn::kLeaveBroken;
  if (outlook.damaged) return Turn::kLeaveDamaged;
  if (outlook.bye) return Turn::kConfirmBye;
  if (outlook.stop) return Turn::kLeaveStopped;
  if (outlook.silent) return Turn::kLeaveSilent;
  if (outlook.clone_late) return Turn::kLeaveCloneLate;
  if (outlook.handover) return Turn::kHandover;
  return Turn::kWatch;
}

}  // namespace ft::backup
