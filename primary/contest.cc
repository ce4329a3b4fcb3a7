// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/contest.h"

#include <utility>

namespace ft::primary {

namespace asio = boost::asio;
using fencing::Action;
using fencing::Instant;
using Kind = fencing::Action::Kind;

namespace {

Instant Now() { return std::chrono::steady_clock::now(); }

// A host that lost its carrier looks this often whether its VM was taken; a
// store that hangs delays the next look by its deadline.
constexpr std::chrono::milliseconds kReadEvery{200};

double MillisecondsOf(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::string Describe(const std::string& vm, const fencing::VmRecord& record) {
  const std::string who =
      record.released() ? "nobody (released)" : record.holder;
  return "test-and-set for " + vm + ": epoch " + std::to_string(record.epoch) +
         " is held by " + who;
}

}  // namespace

Contest::Contest(fencing::AsyncTestAndSet& store, Tasks& tasks,
                 ContestOptions options)
    : store_(store),
      tasks_(tasks),
      options_(std::move(options)),
      contender_({.role = options_.role,
                  .epoch = options_.epoch,
                  .detector = options_.detector},
                 Now()) {}

Action Contest::Step(Instant now) {
  const bool up = !options_.uplink_up || options_.uplink_up();
  if (up != contender_.arbitration().has_carrier()) {
    options_.report(up ? "the uplink has a carrier again"
                       : "the uplink has no carrier");
  }
  return contender_.Step(now, up, options_.own_vm_gone());
}

asio::awaitable<Action> Contest::Settle(Action action) {
  NoteSuspicion(Now());
  for (;;) {
    switch (action.kind) {
      case Kind::kContend:
        action = co_await Ask(action);
        break;
      case Kind::kRetryAt:
        action = co_await Wait();
        break;
      case Kind::kNone:
        if (contender_.waiting()) {
          action = co_await Wait();
          break;
        }
        co_return action;
      case Kind::kRelease:  // the contender says kHalt instead
      case Kind::kGoLive:
      case Kind::kContinueAlone:
      case Kind::kHalt:
      case Kind::kRefuse:
        co_return action;
    }
  }
}

asio::awaitable<Action> Contest::Ask(Action action) {
  if (options_.contending) options_.contending();
  options_.report("contending for epoch " + std::to_string(action.epoch + 1) +
                  " of " + options_.vm + ": " + suspicion());
  const fencing::TestAndSetAnswer answer =
      co_await store_.Acquire(options_.vm, action.epoch, options_.host);
  if (answer.record) verdict_ = Describe(options_.vm, *answer.record);
  held_by_peer_ = answer.outcome == fencing::TestAndSetOutcome::kHeldByPeer;
  if (answer.outcome == fencing::TestAndSetOutcome::kUnreachable) {
    options_.report("the test-and-set did not answer, outputs stay held: " +
                    answer.error.ToString());
  } else {
    test_and_set_ms_ = MillisecondsOf(Now() - suspected_at_);
    options_.report(verdict_);
  }
  co_return contender_.OnAnswer(Now(), answer.outcome, options_.own_vm_gone());
}

// Until something is to be done, or the pair is whole again (kNone while
// watching). Woken by every beat.
asio::awaitable<Action> Contest::Wait() {
  for (;;) {
    co_await tasks_.WaitUntil(options_.own_vm_gone,
                              Now() + options_.detector.interval);
    const Action action = Step(Now());
    if (action.kind != Kind::kNone && action.kind != Kind::kRetryAt) {
      co_return action;
    }
    if (!contender_.waiting()) co_return Action{};
    const bool taken = co_await TakenByAnother();
    if (taken) {
      co_return Action{.kind = Kind::kHalt,
                       .halt = fencing::HaltReason::kHeldByPeer};
    }
  }
}

asio::awaitable<bool> Contest::TakenByAnother() {
  const bool has_carrier = contender_.arbitration().has_carrier();
  if (has_carrier || Now() < next_read_) co_return false;
  auto record = co_await store_.Read(options_.vm);
  next_read_ = Now() + kReadEvery;
  if (!record.ok() ||
      !fencing::TakenByAnother(*record, options_.epoch, options_.host)) {
    co_return false;
  }
  verdict_ = Describe(options_.vm, **record);
  held_by_peer_ = true;
  options_.report(verdict_);
  co_return true;
}

void Contest::NoteSuspicion(Instant now) {
  if (suspected_at_ != Instant{} &&
      contender_.arbitration().state() !=
          fencing::ArbitrationState::kWatching &&
      contender_.arbitration().attempts() > 0) {
    return;
  }
  suspected_at_ = now;
  detect_ms_ = MillisecondsOf(contender_.detector().silence());
}

std::string Contest::suspicion() const {
  const auto reason = contender_.arbitration().suspicion();
  return reason ? fencing::ToString(*reason) : "";
}

}  // namespace ft::primary
