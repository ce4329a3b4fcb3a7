// SPDX-License-Identifier: GPL-2.0-or-later
//
// Contender: one side of a protected VM as it decides, detector and
// arbitration put together. What an agent has to get right between the two
// is here: in which order it looks, and what an answer means when its own VM
// has died meanwhile. The agents drive it (primary/contest.h asks the store
// and waits for them), and so does the simulator.
//
//     at every beat:       Step()            kNone: nothing to do
//     kContend:            ask the store, then OnAnswer(), exactly once
//     while kWaiting:      Step() at every beat
//     kGoLive, kContinueAlone, kHalt, kRefuse: the agent's to carry out
//
// Pure: `now` and facts in, actions out. Not thread-safe; one owner.
#pragma once

#include <optional>
#include <string_view>

#include "fencing/arbitration.h"
#include "fencing/failure_detector.h"

namespace ft::fencing {

struct ContenderOptions {
  Role role = Role::kPrimary;
  uint64_t epoch = 0;  // in which both sides run
  FailureDetectorOptions detector;
};

class Contender {
 public:
  using Options = ContenderOptions;

  // The peer counts as heard now.
  Contender(const Options& options, Instant now);

  FailureDetector& detector() { return detector_; }
  Arbitration& arbitration() { return arbitration_; }
  const Arbitration& arbitration() const { return arbitration_; }
  bool waiting() const {
    return arbitration_.state() == ArbitrationState::kWaiting;
  }

  // Looks at the own VM, carrier, detector and clock, in that order, until
  // one of them asks for something.
  Action Step(Instant now, bool has_carrier, bool own_vm_gone);

  // The answer to the last kContend. An epoch that was won when there is
  // nothing left to run comes back as kHalt(kOwnVmGone) with that `epoch`:
  // the caller's to release. With `epoch` 0 nothing was won.
  Action OnAnswer(Instant now, TestAndSetOutcome outcome, bool own_vm_gone);

 private:
  FailureDetector detector_;
  Arbitration arbitration_;
};

// Whether `record`, as a side of `epoch` reads it, says that another took
// the VM meanwhile. A side that may not ask (no carrier) may still read.
bool TakenByAnother(const std::optional<VmRecord>& record, uint64_t epoch,
                    std::string_view host);

}  // namespace ft::fencing
