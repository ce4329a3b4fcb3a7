// SPDX-License-Identifier: GPL-2.0-or-later
//
// Outlook: what a primary turns to, of all that may have happened at once;
// what it says last; and what may become of the record. The agent carries it
// out (primary_agent.cc, primary_end.cc), recover.cc has the same for an ftd
// that died and came back; the simulator drives both. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fencing/failure_detector.h"
#include "fencing/test_and_set.h"
#include "logchannel/log_entry.h"

namespace ft::primary {

// Facts of a protection.
struct Outlook {
  bool gone = false;      // our engine has ended
  bool peer_bye = false;  // the backup said Bye
  bool disable = false;   // the operator ends it
  bool damaged = false;   // our ring
  bool orphaned = false;  // our ftd stood still, the engine paused
  bool stalled = false;   // ProgressWatch
  bool silent = false;    // our engine, to its EngineWatchdog
};

enum class Turn {
  // Tell the backup (LastWordOf) and end.
  kVmGone,
  // The backup never contends, by its word: run on alone, in this epoch.
  kPeerLeft,
  // Say Bye; without an answer take the next epoch first.
  kEndByOperator,
  // Contend: Suspicion::kRestarted, Suspicion::kNoProgress.
  kSuspectOurselves,
  kSuspectNoProgress,
  // End our engine, which is to say kVmGone.
  kGiveEngineUp,
  // Nothing of these: one step of the contender.
  kWatch,
};
// The most final first.
Turn NextTurn(const Outlook& outlook);

enum class LastWord {
  kNone,    // the backup is not entitled: it halts when the connection ends
  kBye,     // the guest ended it all
  kVmGone,  // the backup is to take over
};
// When our engine has ended.
LastWord LastWordOf(bool guest_shutdown, bool may_be_entitled);

// Gives up a backup that acknowledges or executes nothing for `timeout`
// while log waits for it.
class ProgressWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using LogPosition = logchannel::LogPosition;
  enum class Stall { kNone, kAcknowledges, kExecutes };

  explicit ProgressWatch(std::chrono::milliseconds timeout)
      : timeout_(timeout) {}

  // The clone has ended: from here on it counts.
  void Begin(Time now) { received_at_ = replayed_at_ = now; }
  // An acknowledgement moved `received` (`replayed`).
  void OnReceived(Time now) { received_at_ = now; }
  void OnReplayed(Time now) { replayed_at_ = now; }
  // Now and then, with the pair's positions.
  Stall Look(Time now, LogPosition sent, LogPosition received,
             LogPosition replayed);

 private:
  const std::chrono::milliseconds timeout_;
  // The last time that it got on, or had nothing to.
  Time received_at_{}, replayed_at_{};
};

// Tells when outputs have waited for long for want of an output lease
// (fencing/output_lease.h): the backup answers, but each answer takes longer
// than the lease. Nothing is wrong with the pair, and no client hears from
// the VM: the operator has to know.
class LeaseGap {
 public:
  static constexpr std::chrono::milliseconds kLong{1000};

  // Now and then, with OutputLease::until() and its clock. True: waits() is
  // another from here on.
  bool Look(fencing::Instant now, fencing::Instant until);
  // No lease for kLong; until there was one in each look for kLong.
  bool waits() const { return waits_; }

 private:
  bool waits_ = false;
  fencing::Instant looked_{};
  fencing::Instant since_{};  // the last look that spoke for waits_
};

// A restarted ftd and the live, recording engine that it finds.
enum class RecoveryVerdict {
  // The store is not the one in which this VM got its epoch (not mounted, or
  // restored from a backup): it knows nothing. Ask again.
  kAskAgain,
  // The record is another's, or there is none and never was: kill the engine.
  kKill,
  // Ours, and outputs are held: a backup may be entitled. Contend.
  kContend,
  // Ours, and nothing is held: nothing to decide.
  kAlone,
};
// `known_epoch`: the newest one that this host remembers; 0: it does not.
RecoveryVerdict JudgeRecovery(const std::optional<fencing::VmRecord>& record,
                              uint64_t known_epoch, std::string_view host,
                              bool holding);

}  // namespace ft::primary
