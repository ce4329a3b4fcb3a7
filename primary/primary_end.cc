// SPDX-License-Identifier: GPL-2.0-or-later
//
// Every way a protection ends. The order in each is the same: first be sure
// who runs the VM, then touch the engine, then report.
#include <string>
#include <utility>

#include "fencing/boot_clock.h"
#include "primary/primary_impl.h"

namespace ft::primary {

namespace asio = boost::asio;
using fencing::Action;
using fencing::HaltReason;
using logchannel::wire::FrameHeader;

namespace {

// How long an engine that was killed may take to end. An ordinary one with
// gigabytes of RAM takes some 100 ms.
constexpr std::chrono::milliseconds kKillTimeout{1000};

}  // namespace

asio::awaitable<bool> RunOnAlone(replay::Engine& engine,
                                 PrimaryListener& listener) {
  while (engine.running()) {
    const Status unprotected = co_await engine.Unprotect();
    if (unprotected.ok()) {
      engine.ring().SetLease(logchannel::LogRing::kNoLease);
      break;
    }
    listener.OnPrimaryEvent("the engine did not release its outputs: " +
                            unprotected.message());
    co_await engine.WaitExit(std::chrono::milliseconds(200));
  }
  auto state = co_await engine.Query();
  if (state.ok() && !state->running) {
    const Status resumed = co_await engine.Cont();
    if (!resumed.ok()) {
      listener.OnPrimaryEvent("the guest did not resume: " + resumed.message());
    }
  }
  co_return engine.running();
}

asio::awaitable<void> KillEngine(replay::Engine& engine,
                                 PrimaryListener& listener) {
  engine.Kill();
  const bool ended = co_await engine.WaitExit(std::chrono::seconds(5));
  if (!ended) {
    listener.OnPrimaryEvent("the engine did not end 5 s after SIGKILL");
  }
}

Outcome PrimaryAgent::Impl::Ended(End end, std::string reason,
                                  std::string why) const {
  return {.end = end,
          .epoch = options_.epoch,
          .reason = std::move(reason),
          .why = std::move(why),
          .status = {}};
}

// Protect was never sent: whatever the backup has, it does not contend.
asio::awaitable<Outcome> PrimaryAgent::Impl::Undo(Status why) {
  if (connection_ && connection_->open()) {
    FrameHeader header = Frame();
    header.mutable_bye()->set_reason("initializing: " + why.message());
    (void)co_await connection_->Send(header);
    // Closing with unread bytes would reset the connection, and the reset
    // overtake the Bye: wait for its answer.
    if (contest_) co_await Farewell([this] { return peer_bye_.has_value(); });
  }
  StopTraffic();
  const bool log_kept = protection_.phase() != Protection::Phase::kConnecting;
  if (log_kept && !gone_) co_await RunOnAlone(engine_, listener_);
  if (gone_) {
    Outcome outcome = Ended(End::kVmGone, "host-failure", *gone_);
    outcome.guest_shutdown = guest_shutdown_;
    co_return outcome;
  }
  if (disable_) co_return Ended(End::kDisabled, "user-action", *disable_);
  Outcome outcome = Ended(End::kNotStarted, "initializing", why.message());
  outcome.status = std::move(why);
  co_return outcome;
}

asio::awaitable<bool> PrimaryAgent::Impl::Farewell(
    std::function<bool()> ready) {
  co_return co_await tasks_.WaitUntil(
      [this, &ready] { return lost_ || ready(); },
      Now() + options_.farewell_timeout);
}

asio::awaitable<std::optional<Outcome>> PrimaryAgent::Impl::Decide(
    Action action) {
  const State before = state_;
  const std::string suspicion = contest_->suspicion();
  SetState(State::kDeciding, "suspects " + options_.peer + ": " + suspicion);
  action = co_await contest_->Settle(action);
  if (action.kind == Action::Kind::kNone) {
    SetState(before, "hears " + options_.peer + " again");
    co_return std::nullopt;
  }
  if (action.kind == Action::Kind::kHalt) {
    co_return co_await Halted(action);
  }
  co_return co_await Alone(action.epoch, stalled_ ? "lag" : "lost-connection",
                           "lost " + options_.peer + ": " + suspicion);
}

// An engine that discards its log frees it under the pump's hands.
void PrimaryAgent::Impl::StopTraffic() {
  if (pump_) pump_->Stop();
  if (connection_) connection_->Close();
}

// This side won the test-and-set, or the backup renounced.
asio::awaitable<Outcome> PrimaryAgent::Impl::Alone(uint64_t epoch,
                                                   std::string reason,
                                                   std::string why) {
  StopTraffic();
  const bool runs = co_await RunOnAlone(engine_, listener_);
  if (!runs) reason = "host-failure";
  Outcome outcome = Ended(runs ? End::kAlone : End::kVmGone, std::move(reason),
                          std::move(why));
  outcome.epoch = epoch;
  if (gone_) outcome.why += "; then " + *gone_;
  co_return outcome;
}

asio::awaitable<Outcome> PrimaryAgent::Impl::Halted(Action action) {
  co_await KillEngine(engine_, listener_);
  if (action.halt == HaltReason::kOwnVmGone) {
    Outcome outcome = Ended(End::kVmGone, "host-failure",
                            gone_.value_or("its engine has ended"));
    // Not won, so the backup may have won, or win yet.
    outcome.handed_over = action.epoch == 0;
    if (action.epoch != 0) outcome.epoch = action.epoch;
    co_return outcome;
  }
  if (handover_sent_) {
    handover_result_ = Status::Ok();
    co_return Ended(End::kMoved, "user-action", "moved to " + options_.peer);
  }
  co_return Ended(End::kFenced, "fenced", contest_->verdict());
}

asio::awaitable<Outcome> PrimaryAgent::Impl::VmGone() {
  Outcome outcome = Ended(End::kVmGone, "host-failure", *gone_);
  outcome.guest_shutdown = guest_shutdown_;
  switch (LastWordOf(guest_shutdown_, protection_.may_be_entitled())) {
    case LastWord::kNone:
      break;
    case LastWord::kBye: {
      outcome.reason = "user-action";
      outcome.why = "the guest powered off";
      FrameHeader header = Frame();
      header.mutable_bye()->set_reason("user-action: the guest powered off");
      (void)co_await connection_->Send(header);
      co_await Farewell([this] { return peer_bye_.has_value(); });
      break;
    }
    case LastWord::kVmGone:
      co_await TellVmGone();
      outcome.handed_over = true;
      break;
  }
  co_return outcome;
}

// The log that the engine left behind, then the news. The backup answers by
// closing the connection: it contends.
asio::awaitable<void> PrimaryAgent::Impl::TellVmGone() {
  Report(*gone_ + "; telling " + options_.peer);
  // Of a damaged ring nothing more can be sent. All that an output depends
  // on was.
  const LogPosition final_position =
      damage_ ? protection_.sent() : engine_.ring().committed();
  const bool drained = co_await Farewell(
      [this, final_position] { return protection_.sent() == final_position; });
  if (!drained || lost_) co_return;
  FrameHeader header = Frame();
  header.mutable_vm_gone()->set_final_position(final_position);
  header.mutable_vm_gone()->set_reason(*gone_);
  const Status sent = co_await connection_->Send(header);
  if (sent.ok()) co_await Farewell([] { return false; });
}

// Our engine stands still, and whether for good nobody can tell from here; or
// its ring is damaged, so that it can be trusted with nothing. It must end
// before the backup may live without waiting for a lease.
asio::awaitable<Outcome> PrimaryAgent::Impl::GiveEngineUp() {
  const std::string what =
      damage_ ? damage_->message() : engine_watch_->Accusation();
  Report(what + "; ending it");
  lease_.Revoke();
  WriteLease();
  engine_.Kill();
  const bool ended = co_await engine_.WaitExit(kKillTimeout);
  if (ended) {
    gone_ = what + "; the engine was ended";
    co_return co_await VmGone();
  }
  // In uninterruptible sleep. It executes nothing more: SIGKILL comes first
  // when it wakes. The backup learns from the lost connection, and waits for
  // the lease as after any other.
  Report("the engine did not end within " +
         std::to_string(kKillTimeout.count()) +
         " ms after SIGKILL; closing the log channel");
  StopTraffic();
  Outcome outcome =
      Ended(End::kVmGone, "host-failure", what + "; it cannot be ended");
  outcome.handed_over = protection_.may_be_entitled();
  co_return outcome;
}

// The backup said Bye unasked: by its word it never contends, so the output
// rule may end without a test-and-set.
asio::awaitable<Outcome> PrimaryAgent::Impl::PeerLeft() {
  if (guest_shutdown_) {
    co_await engine_.WaitExit(std::chrono::seconds(2));
    if (gone_) co_return co_await VmGone();
  }
  std::string reason = "lost-connection";
  for (const char* word : {"divergence", "host-failure", "user-action"}) {
    if (peer_bye_->starts_with(std::string(word) + ":")) reason = word;
  }
  co_return co_await Alone(options_.epoch, reason,
                           options_.peer + " left: " + *peer_bye_);
}

// Outputs may leave unacknowledged only when the backup has lost its
// entitlement: by its Bye, or by a won test-and-set when it does not answer.
asio::awaitable<Outcome> PrimaryAgent::Impl::EndByOperator() {
  FrameHeader header = Frame();
  header.mutable_bye()->set_reason("user-action: " + *disable_);
  (void)co_await connection_->Send(header);
  co_await Farewell([this] { return peer_bye_ || gone_; });
  if (gone_) co_return co_await VmGone();
  uint64_t epoch = options_.epoch;
  if (!peer_bye_) {
    Report(options_.peer + " did not confirm the end of protection");
    SetState(State::kDeciding, "ending protection");
    const Action action =
        co_await contest_->Settle(contest_->arbitration().Suspect(
            Now(), fencing::Suspicion::kProtectionEnded));
    if (action.kind != Action::Kind::kContinueAlone) {
      co_return co_await Halted(action);
    }
    epoch = action.epoch;
  }
  Outcome outcome = co_await Alone(epoch, "user-action", *disable_);
  if (outcome.end == End::kAlone) outcome.end = End::kDisabled;
  co_return outcome;
}

// --- Planned failover.

asio::awaitable<std::optional<Outcome>> PrimaryAgent::Impl::HandOver() {
  SetState(State::kHandingOver, "moving to " + options_.peer);
  Status prepared = co_await PrepareHandover();
  if (!prepared.ok()) {
    co_await TakeBack(std::move(prepared));
    co_return std::nullopt;
  }
  FrameHeader header = Frame();
  header.mutable_handover()->set_final_position(engine_.ring().committed());
  // It answers by going live at once: nothing more leaves this host by what
  // was acknowledged.
  lease_.Revoke();
  WriteLease();
  handover_sent_ = true;
  (void)co_await connection_->Send(header);
  co_return co_await AwaitHandover();
}

// A store that does not answer now would leave the VM paused on both sides.
asio::awaitable<Status> PrimaryAgent::Impl::PrepareHandover() {
  auto record = co_await store_.Read(vm());
  Status same =
      fencing::VerifySameStore(record, vm(), options_.epoch, options_.host);
  if (!same.ok()) co_return same;
  Status stopped = co_await engine_.Stop();
  if (!stopped.ok()) co_return stopped;
  const LogPosition final_position = engine_.ring().committed();
  co_await Farewell([this, final_position] {
    return gone_ || protection_.received() == final_position;
  });
  if (protection_.received() == final_position) co_return Status::Ok();
  co_return Status::Unavailable(
      options_.peer + " did not take the last of the log",
      "wait until it has caught up, then try again");
}

asio::awaitable<std::optional<Outcome>> PrimaryAgent::Impl::AwaitHandover() {
  const Time deadline = Now() + options_.farewell_timeout;
  for (;;) {
    co_await tasks_.WaitUntil(
        [this] { return gone_ || lost_ || peer_bye_ || handover_reply_; },
        std::min(deadline, Now() + options_.detector.interval));
    if (handover_reply_ && handover_reply_->done()) {
      co_return co_await Halted(contest_->arbitration().OnHandedOver());
    }
    if (handover_reply_) {
      handover_sent_ = false;
      co_await TakeBack(Status::Unavailable(options_.peer + " did not take " +
                                            vm() + ": " +
                                            handover_reply_->error()));
      co_return std::nullopt;
    }
    if (gone_ || peer_bye_) co_return std::nullopt;
    const Action action =
        Now() < deadline ? contest_->Step(Now())
                         : contest_->arbitration().Suspect(
                               Now(), fencing::Suspicion::kHandoverUnanswered);
    const bool waiting =
        contest_->arbitration().state() == fencing::ArbitrationState::kWaiting;
    if (action.kind == Action::Kind::kNone && !waiting) continue;
    auto outcome = co_await Decide(action);
    if (outcome) co_return outcome;
  }
}

asio::awaitable<void> PrimaryAgent::Impl::TakeBack(Status why) {
  lease_.Restore(fencing::BootNow());
  if (!gone_) {
    const Status resumed = co_await engine_.Cont();
    if (!resumed.ok()) Report("did not resume: " + resumed.message());
  }
  handover_asked_ = false;
  handover_reply_.reset();
  SetState(State::kProtected, "failover not done: " + why.message());
  handover_result_ = std::move(why);
  tasks_.Notify();
}

}  // namespace ft::primary
