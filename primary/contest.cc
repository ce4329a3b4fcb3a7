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
      detector_(options_.detector, options_.epoch, Now()),
      arbitration_({.role = options_.role, .epoch = options_.epoch}) {}

Action Contest::Step(Instant now) {
  const bool up = !options_.uplink_up || options_.uplink_up();
  Action action;
  if (up != arbitration_.has_carrier()) {
    options_.report(up ? "the uplink has a carrier again"
                       : "the uplink has no carrier");
    action = arbitration_.OnUplink(now, up);
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
        if (arbitration_.state() == fencing::ArbitrationState::kWaiting) {
          action = co_await Wait();
          break;
        }
        co_return action;
      case Kind::kRelease:
        co_return Action{.kind = Kind::kHalt,
                         .epoch = action.epoch,
                         .halt = fencing::HaltReason::kOwnVmGone};
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
  if (options_.own_vm_gone()) (void)arbitration_.OnOwnVmGone();
  Action next = arbitration_.OnAnswer(Now(), answer.outcome);
  const bool halted =
      arbitration_.state() == fencing::ArbitrationState::kHalted;
  if (halted && next.kind == Kind::kNone) {
    next = {.kind = Kind::kHalt, .halt = arbitration_.halt_reason()};
  }
  co_return next;
}

// Until something is to be done, or the pair is whole again (kNone while
// watching). Woken by every beat.
asio::awaitable<Action> Contest::Wait() {
  for (;;) {
    co_await tasks_.WaitUntil(options_.own_vm_gone,
                              Now() + options_.detector.interval);
    if (options_.own_vm_gone()) co_return arbitration_.OnOwnVmGone();
    const Action action = Step(Now());
    const bool waiting =
        arbitration_.state() == fencing::ArbitrationState::kWaiting;
    if (action.kind != Kind::kNone && action.kind != Kind::kRetryAt) {
      co_return action;
    }
    if (!waiting) co_return Action{};
    const bool taken = co_await TakenByAnother();
    if (taken) {
      co_return Action{.kind = Kind::kHalt,
                       .halt = fencing::HaltReason::kHeldByPeer};
    }
  }
}

asio::awaitable<bool> Contest::TakenByAnother() {
  if (arbitration_.has_carrier() || Now() < next_read_) co_return false;
  auto record = co_await store_.Read(options_.vm);
  next_read_ = Now() + kReadEvery;
  if (!record.ok() || !*record) co_return false;
  const fencing::VmRecord& found = **record;
  if (found.epoch <= options_.epoch || found.holder == options_.host) {
    co_return false;
  }
  verdict_ = Describe(options_.vm, found);
  held_by_peer_ = true;
  options_.report(verdict_);
  co_return true;
}

void Contest::NoteSuspicion(Instant now) {
  if (suspected_at_ != Instant{} &&
      arbitration_.state() != fencing::ArbitrationState::kWatching &&
      arbitration_.attempts() > 0) {
    return;
  }
  suspected_at_ = now;
  detect_ms_ = MillisecondsOf(detector_.silence());
}

std::string Contest::suspicion() const {
  const auto reason = arbitration_.suspicion();
  return reason ? fencing::ToString(*reason) : "";
}

}  // namespace ft::primary
