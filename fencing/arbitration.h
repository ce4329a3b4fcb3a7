// SPDX-License-Identifier: GPL-2.0-or-later
//
// Arbitration: who runs the VM after the pair has come apart. One instance
// on each side, for one VM and one epoch N; the same code on both sides.
// It decides and does nothing: the agent carries out the returned Action
// and reports back. An instance ends in kLive or kHalted and is replaced
// when the VM is protected again, under a new epoch.
//
//                    suspicion, carrier            Acquired
//     +----------+ ----------------> +------------+ -------> +------+
//     | watching |                   | contending |          | live |
//     +----------+ <--+              +------------+          +------+
//        |            | heard again    |   ^    | HeldByPeer
//        | suspicion, | (if it never   |   |    v
//        | no carrier |  contended)    |   |  +--------+
//        |         +---------+ <-------+   |  | halted |
//        +-------> | waiting | Unreachable |  +--------+
//                  +---------+ ------------+     ^
//                      |   retry, carrier back   |
//                      +-------------------------+ own VM gone (any state
//                                                  but live), ...
//
// What makes two live sides impossible: kLive is entered by exactly one
// edge, the answer kAcquired for epoch N -> N+1, and the store gives that
// answer to one contender only. Everything else here decides how soon and
// by whom, never whether.
//
// Rules, each with its reason:
//  * A side whose uplink has no carrier does not contend: it could serve
//    nobody, and would take the VM from a peer that can. It waits.
//  * A backup that is not entitled (it has not received Protect and the log
//    up to its position) never contends: the primary may have let outputs
//    go that it cannot explain. It halts.
//  * Unreachable is no answer. Wait, double the delay up to a bound, ask
//    again; never guess.
//  * Once it has contended a side cannot go back to watching: its request
//    may have been carried out though the answer was lost.
//  * After it has contended a backup acknowledges nothing more (invariant
//    I6); may_acknowledge() says so. It also closes the log connection, so
//    that the primary does not sit holding outputs that nobody explains.
//
// Pure: `now` and messages in, actions out. Not thread-safe; one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "fencing/failure_detector.h"
#include "fencing/test_and_set.h"

namespace ft::fencing {

enum class Role { kPrimary, kBackup };

enum class ArbitrationState {
  // The pair is whole. Entered at birth, and from waiting when the peer is
  // heard again before this side ever contended. Left by a suspicion.
  kWatching,
  // This side wants to contend and cannot yet: no carrier, or the store was
  // unreachable. The VM holds its outputs (primary) or does not run
  // (backup). Left when the carrier is back or the retry is due, to
  // contending; when the peer is heard again, to watching (see above).
  kWaiting,
  // A test-and-set is under way. Left by its answer.
  kContending,
  // This side won epoch N+1 and runs the VM alone. The end.
  kLive,
  // This side must not run the VM; the engine is killed. The end.
  kHalted,
};
const char* ToString(ArbitrationState);

enum class HaltReason {
  // The test-and-set says that another holds the VM.
  kHeldByPeer,
  // A backup that may not contend lost its primary.
  kNotEntitled,
  // There is nothing here to run: our engine died.
  kOwnVmGone,
  // Primary, planned failover: the backup said HandoverReply{done}.
  kHandedOver,
  // Backup: the primary said Bye.
  kProtectionEnded,
};
const char* ToString(HaltReason);

// What the agent is to do now. Never two at once.
struct Action {
  enum class Kind {
    kNone,
    // Ask TestAndSet::Acquire(vm, epoch, this host), with a deadline, and
    // report its answer by OnAnswer, exactly once for each kContend.
    kContend,
    // Call Tick at `at` (also told by next_deadline()).
    kRetryAt,
    // Backup: acquired. Consume all that was acknowledged, then
    // x-ft-go-live. `epoch` is the new epoch, as in the next one.
    kGoLive,
    // Primary: acquired. x-ft-unprotect, run on alone.
    kContinueAlone,
    // Kill the engine at once; `halt` says why.
    kHalt,
    // Handover only: answer HandoverReply{done=false, error=`refusal`}; we
    // never asked the store, so the primary may run on.
    kRefuse,
    // Halted because our VM died while the question was open, and then it
    // was won: call TestAndSet::Release(vm, epoch, this host), so that the
    // VM may be started again anywhere.
    kRelease,
  };
  Kind kind = Kind::kNone;
  // kContend: N, the epoch expected. kGoLive, kContinueAlone, kRelease: N+1.
  uint64_t epoch = 0;
  Instant at{};                               // kRetryAt
  HaltReason halt = HaltReason::kHeldByPeer;  // kHalt
  const char* refusal = "";                   // kRefuse
};

struct ArbitrationOptions {
  Role role = Role::kPrimary;
  // The epoch in which both sides run now; at least 1.
  uint64_t epoch = 0;
  // Delay before the second question, doubled for each further one up to
  // the bound. 50 ms is ten times a slow local store; 2 s keeps the VM's
  // return close behind the store's.
  std::chrono::milliseconds first_retry{50};
  std::chrono::milliseconds longest_retry{2000};
  // How long a returned carrier must have stood before this side contends:
  // two heartbeats, so that a switch that merely restarted does not part a
  // pair whose halves hear each other again.
  std::chrono::milliseconds uplink_settle{100};
};

class Arbitration {
 public:
  using Options = ArbitrationOptions;
  using State = ArbitrationState;

  // Watching, carrier up, a backup not entitled.
  explicit Arbitration(const Options& options);

  // What the failure detector says, at each of its ticks: a suspicion, or
  // nothing (peer alive). Repeating the same verdict is harmless.
  Action OnVerdict(Instant now, std::optional<Suspicion> verdict);
  // A suspicion of the agent's own (kHandoverUnanswered, kRestarted,
  // kNoProgress, kProtectionEnded). Same as OnVerdict with it.
  Action Suspect(Instant now, Suspicion reason);

  // The answer to the last kContend.
  Action OnAnswer(Instant now, TestAndSetOutcome outcome);

  // The uplink's carrier, when it changes. Hosts without a configured
  // uplink never call it: the carrier counts as up.
  Action OnUplink(Instant now, bool has_carrier);

  // Backup: Protect has come, and the log through its position. For good.
  void OnEntitled();

  // Backup: Handover has come and the log through its final_position.
  // kContend, or kRefuse if this side would not go live.
  Action OnHandover(Instant now);
  // Primary: HandoverReply{done=true} has come. (With done=false the agent
  // resumes the VM and tells us nothing: the backup never contended.)
  Action OnHandedOver();

  // Our own engine died. Ignored when live or halted.
  Action OnOwnVmGone();
  // Backup: Bye has come. Ignored once it has contended.
  Action OnBye();

  // Time passes: contends when a retry or the carrier's settling is due.
  Action Tick(Instant now);
  // When to call Tick, if anything waits for the time.
  std::optional<Instant> next_deadline() const { return due_; }

  State state() const { return state_; }
  // The suspicion that is being followed; nothing while watching. Stays as
  // it was when live or halted, to say why.
  std::optional<Suspicion> suspicion() const { return suspicion_; }
  // Valid when halted.
  HaltReason halt_reason() const { return halt_reason_; }
  uint64_t epoch() const { return options_.epoch; }
  bool has_carrier() const { return has_carrier_; }
  // Questions put to the store so far.
  int attempts() const { return attempts_; }
  // Backup: whether it may acknowledge entries still (I6). False for ever
  // once it has contended or halted.
  bool may_acknowledge() const;

 private:
  Action Contend();
  // Contends, or waits for the carrier.
  Action ContendOrWait();
  Action Acquired();
  Action Unreachable(Instant now);
  Action Halt(HaltReason reason);
  std::chrono::milliseconds RetryDelay() const;
  // Prose in arbitration.cc; run after every input.
  void CheckInvariants() const;

  const Options options_;
  State state_ = State::kWatching;
  std::optional<Suspicion> suspicion_;
  HaltReason halt_reason_ = HaltReason::kHeldByPeer;
  bool has_carrier_ = true;
  bool entitled_ = false;
  // A kContend is not answered yet. True in contending, and in halted if
  // the VM died meanwhile.
  bool question_open_ = false;
  // See attempts(). Grows.
  int attempts_ = 0;
  // See next_deadline(). Set only while waiting.
  std::optional<Instant> due_;
};

}  // namespace ft::fencing
