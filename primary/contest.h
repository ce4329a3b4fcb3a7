// SPDX-License-Identifier: GPL-2.0-or-later
//
// Contest: a contender and the test-and-set of one VM put together. The
// agents of both roles use it (the backup's includes it from here: a backup
// that contends is about to be a primary). The decisions are fencing's
// Contender; this class asks the store, waits, looks at the carrier, and
// measures.
//
//     while watching:   action = Step(now)            cheap, every beat
//     if not kNone:     action = co_await Settle(action)
//
// One thread. While Settle() runs the caller's beats go on by themselves.
#pragma once

#include <functional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "fencing/async_test_and_set.h"
#include "fencing/contender.h"
#include "primary/tasks.h"

namespace ft::primary {

struct ContestOptions {
  fencing::Role role = fencing::Role::kPrimary;
  std::string vm;
  std::string host;    // this contender's name
  uint64_t epoch = 0;  // in which both sides run
  fencing::FailureDetectorOptions detector;
  // Empty: the carrier counts as up.
  std::function<bool()> uplink_up = {};
  // This side's engine process has ended.
  std::function<bool()> own_vm_gone;
  // Called before each question to the store, so that the caller stops what
  // a contender must not do. May be empty.
  std::function<void()> contending = {};
  // One line for the event log.
  std::function<void(const std::string&)> report;
};

class Contest {
 public:
  // The peer counts as heard now.
  Contest(fencing::AsyncTestAndSet& store, Tasks& tasks,
          ContestOptions options);

  fencing::FailureDetector& detector() { return contender_.detector(); }
  fencing::Arbitration& arbitration() { return contender_.arbitration(); }

  // One look at everything. kNone: nothing to do until the next beat.
  fencing::Action Step(fencing::Instant now);

  // Carries `action` out, and whatever follows from it, until one of
  //   kNone           the peer is heard again, and this side never contended
  //   kGoLive, kContinueAlone   acquired
  //   kHalt           see Action::halt; with kOwnVmGone `epoch` is the epoch
  //                   that was won for nobody and is the caller's to release
  //                   (0: none)
  //   kRefuse         of a handover
  boost::asio::awaitable<fencing::Action> Settle(fencing::Action action);

  // Last sign of the peer until suspicion, and suspicion until the store's
  // final answer. 0 before there is one.
  double detect_ms() const { return detect_ms_; }
  double test_and_set_ms() const { return test_and_set_ms_; }
  // "no heartbeat and no log traffic", "" before a suspicion.
  std::string suspicion() const;
  // After kHalt(kHeldByPeer): who holds which epoch, as one line.
  const std::string& verdict() const { return verdict_; }
  // The store's last answer: another holds the VM.
  bool held_by_peer() const { return held_by_peer_; }

 private:
  boost::asio::awaitable<fencing::Action> Ask(fencing::Action action);
  boost::asio::awaitable<fencing::Action> Wait();
  // A side that may not contend (no carrier) can still read: true if another
  // took the VM meanwhile.
  boost::asio::awaitable<bool> TakenByAnother();
  void NoteSuspicion(fencing::Instant now);

  fencing::AsyncTestAndSet& store_;
  Tasks& tasks_;
  const ContestOptions options_;
  fencing::Contender contender_;
  fencing::Instant suspected_at_{};
  fencing::Instant next_read_{};
  double detect_ms_ = 0;
  double test_and_set_ms_ = 0;
  std::string verdict_;
  bool held_by_peer_ = false;
};

}  // namespace ft::primary
