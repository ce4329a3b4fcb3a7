// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a protection ends, and what each Outcome means for the VM's condition.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "fencing/async_test_and_set.h"
#include "host/vm.h"

namespace ft::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Disable waits for a Bye's answer or the test-and-set; both have shorter
// deadlines of their own, and a store that hangs keeps the VM where it is.
constexpr seconds kEndTimeout{30};
// A backup that was told to take over does so within milliseconds; this is
// how long the loser keeps looking for the record that proves it.
constexpr seconds kHandedOverTimeout{10};
constexpr milliseconds kHandedOverPoll{200};
// See CloneAnew().
constexpr seconds kDivergesAgainWithin{60};
constexpr seconds kEnableAgainTimeout{60};
constexpr milliseconds kEnableAgainPause{500};

}  // namespace

void Vm::FinishProtection(const Protection& protection) {
  const primary::Outcome& outcome = *protection.outcome;
  std::string peer = condition_.peer;
  SetEpoch(outcome.epoch);
  AddEvent("protection", fmt::format("ended: {}", outcome.why));
  switch (outcome.end) {
    case primary::End::kNotStarted:
      condition_.peer = protection.before.peer;
      SetCondition(Role::kPrimary, protection.before.state,
                   protection.before.reason, protection.before.why);
      return;
    case primary::End::kDisabled:
      SetLive(outcome.epoch);
      condition_.peer.clear();
      SetCondition(Role::kPrimary, State::kDisabled, Reason::kUserAction,
                   outcome.why);
      return;
    case primary::End::kAlone:
      SetLive(outcome.epoch);
      SetCondition(Role::kPrimary, State::kNeedBackup,
                   ReasonFromName(outcome.reason), outcome.why);
      if (condition_.reason == Reason::kDivergence) CloneAnew(peer);
      return;
    case primary::End::kMoved:
      owns_record_ = false;
      DropEngine();
      SetCondition(Role::kNone, State::kHalted, Reason::kUserAction,
                   outcome.why);
      return;
    case primary::End::kFenced:
      owns_record_ = false;
      DropEngine();
      SetCondition(Role::kNone, State::kHalted, Reason::kFenced, outcome.why);
      return;
    case primary::End::kVmGone:
      FinishVmGone(protection, peer);
      return;
  }
}

// A backup that diverged is worth nothing, but its host is well: it gets a
// fresh clone. Not again and again: a second divergence soon after the first
// has a cause that a third clone would only meet again.
void Vm::CloneAnew(const std::string& peer) {
  const auto now = steady_clock::now();
  const bool again = diverged_ && now - *diverged_ < kDivergesAgainWithin;
  diverged_ = now;
  if (again) {
    AddEvent("protection",
             fmt::format("a second divergence within {} s: ftctl enable {} "
                         "--backup {} tries again",
                         kDivergesAgainWithin.count(), name(), peer));
    return;
  }
  AddEvent("protection", fmt::format("cloning anew to {}", peer));
  boost::asio::co_spawn(context_.io, EnableAgain(peer), boost::asio::detached);
}

// The diverged backup takes a moment to be gone from the peer.
Vm::Awaitable<void> Vm::EnableAgain(std::string peer) {
  auto self = shared_from_this();
  const auto deadline = steady_clock::now() + kEnableAgainTimeout;
  while (steady_clock::now() < deadline) {
    boost::asio::steady_timer pause(context_.io, kEnableAgainPause);
    co_await pause.async_wait(boost::asio::use_awaitable);
    const bool untouched = condition_.state == State::kNeedBackup &&
                           condition_.reason == Reason::kDivergence;
    if (!untouched) co_return;  // an operator was faster
    Status enabled = co_await Enable(peer, kEnableAgainTimeout, nullptr);
    if (enabled.ok()) co_return;
    AddEvent("protection", enabled.ToString());
  }
}

// The engine died by itself. May a backup be entitled, then it may be
// contending right now, and the record must stay where it expects it. That
// is so from the moment Protect was sent, before anybody calls it protected.
void Vm::FinishVmGone(const Protection& protection, const std::string& peer) {
  const primary::Outcome& outcome = *protection.outcome;
  if (outcome.guest_shutdown || !outcome.handed_over) {
    guest_shut_down_ = outcome.guest_shutdown;
    SetLive(outcome.epoch);  // nobody else can have been, or can become it
    boost::asio::co_spawn(context_.io, HandleEngineExit(outcome.why),
                          boost::asio::detached);
    return;
  }
  DropEngine();
  SetCondition(Role::kNone, State::kHalted, Reason::kFenced,
               fmt::format("{}; {} may take over", outcome.why, peer));
  boost::asio::co_spawn(context_.io, WatchHandedOver(condition_.epoch, peer),
                        boost::asio::detached);
}

// Waits for the record that proves that the peer took over. Without it the
// VM runs nowhere, and its record stays ours until start or stop.
Vm::Awaitable<void> Vm::WatchHandedOver(uint64_t epoch, std::string peer) {
  auto self = shared_from_this();
  auto deadline = steady_clock::now() + kHandedOverTimeout;
  while (steady_clock::now() < deadline) {
    auto read = co_await context_.records.Read(name());
    // Started here again, or a backup already: nothing to find out any more.
    if (has_engine() || condition_.epoch != epoch) co_return;
    if (read.ok() && read->has_value() && (*read)->epoch > epoch) {
      owns_record_ = false;
      SetEpoch((*read)->epoch);
      SetCondition(Role::kNone, State::kHalted, Reason::kFenced,
                   fmt::format("test-and-set for epoch {} is held by {}",
                               (*read)->epoch, (*read)->holder));
      co_return;
    }
    boost::asio::steady_timer pause(context_.io, kHandedOverPoll);
    co_await pause.async_wait(boost::asio::use_awaitable);
  }
  SetCondition(Role::kNone, State::kFailed, Reason::kHostFailure,
               fmt::format("the engine died and {} did not take over", peer));
}

Vm::Awaitable<Status> Vm::EndProtection(const std::string& why) {
  std::shared_ptr<Protection> protection = protection_;
  if (!protection) co_return Status::Ok();
  protection->agent->Disable(why);
  bool ended = co_await changed_.Wait(
      [&protection] { return protection->outcome.has_value(); },
      steady_clock::now() + kEndTimeout);
  if (ended) co_return Status::Ok();
  co_return Status::Unavailable(
      fmt::format("{} is still protected: {}", name(), condition_.why),
      "outputs are held until the test-and-set answers; check its storage");
}

}  // namespace ft::host
