// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a VM is to this host, in the words that an operator sees: its role,
// its state, and why. docs/operations.md has the same table with what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ft::host {

enum class Role {
  // This host does not run the VM (defined, or lost to the other host).
  kNone,
  // This host runs the VM. Entered by start or by a go live, left by stop or
  // by a lost test-and-set.
  kPrimary,
  // This host replays the VM. Entered by a primary's Hello, left by go live,
  // by Bye or when the backup is lost.
  kBackup,
};

enum class State {
  // The VM has never run here. Left by start.
  kNotConfigured,
  // Runs unprotected, or does not run, because the operator wants it so.
  // Left by enable (or start).
  kDisabled,
  // A clone is on its way to the backup. Left by protected or need-backup.
  kStarting,
  // Virtual lockstep, and the output rule is in force. Left by a lost peer,
  // by disable, stop or failover.
  kProtected,
  // Runs without a backup although the operator wants one; the reason says
  // why. Left by enable or disable.
  kNeedBackup,
  // Runs here alone because the test-and-set could not be reached or the
  // operator told it to; nothing is promised. Left by enable or disable.
  kUnprotected,
  // The other host owns the VM; this one stopped. Left by a new Hello (this
  // host becomes the backup) or by start after the other host released it.
  kHalted,
  // The engine died or could not be started. Left by start.
  kFailed,
};

enum class Reason {
  kNone,
  kInitializing,
  kLostConnection,
  kDivergence,
  kLag,
  kHostFailure,
  kUserAction,
  kStorage,
  kFenced,  // with kHalted only
};

// "need-backup" and so on, exactly as in docs/operations.md.
std::string_view Name(Role role);
std::string_view Name(State state);
std::string_view Name(Reason reason);

// The reverse; the first enumerator for a word that is none.
Role RoleFromName(std::string_view name);
State StateFromName(std::string_view name);
Reason ReasonFromName(std::string_view name);

// The condition of one VM on this host; what state.json keeps and what
// status shows. `why` is one line for a person.
struct VmCondition {
  Role role = Role::kNone;
  State state = State::kNotConfigured;
  Reason reason = Reason::kNone;
  uint64_t epoch = 0;  // grows only; 0: the VM has never had one here
  std::string peer;    // host at the other end, "" when there is none
  std::string why;
  int64_t since_ms = 0;  // wall clock of the last change of role or state
};

// Milliseconds since 1970, and "2026-11-21T07:45:57.123Z" of them.
int64_t WallClockMs();
std::string IsoTime(int64_t wall_clock_ms);

}  // namespace ft::host
