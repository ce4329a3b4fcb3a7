// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a backup ends: refused, live, or halted.
#include <algorithm>
#include <string>
#include <utility>

#include "backup/backup_impl.h"

namespace ft::backup {

namespace asio = boost::asio;
using fencing::Action;
using fencing::HaltReason;
using logchannel::wire::FrameHeader;

namespace {

double MillisecondsOf(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

Outcome BackupAgent::Impl::Ended(End end, std::string reason,
                                 std::string why) const {
  return {.end = end,
          .epoch = epoch_,
          .reason = std::move(reason),
          .why = std::move(why),
          .status = {},
          .times = {}};
}

asio::awaitable<Outcome> BackupAgent::Impl::Refuse(Status why) {
  FrameHeader header = Frame();
  logchannel::wire::HelloReply& reply = *header.mutable_hello_reply();
  reply.set_host(options_.host);
  reply.set_accepted(false);
  reply.set_error(why.message());
  reply.set_remedy(why.remedy());
  const Status sent = co_await connection_->Send(header);
  // Until the peer has read it and hangs up.
  if (sent.ok()) {
    (void)co_await connection_->Receive(options_.farewell_timeout);
  }
  Outcome outcome = Ended(End::kRefused, "initializing", why.message());
  outcome.status = std::move(why);
  co_return outcome;
}

asio::awaitable<std::optional<Outcome>> BackupAgent::Impl::Decide(
    Action action) {
  const State before = state_;
  if (action.kind != Action::Kind::kHalt &&
      action.kind != Action::Kind::kRefuse) {
    SetState(State::kDeciding,
             "suspects " + primary() + ": " + contest_->suspicion());
  }
  action = co_await contest_->Settle(action);
  if (doorbell_ && !may_take()) doorbell_->Wake();
  if (action.kind == Action::Kind::kHalt) {
    if (action.epoch == 0) co_return Halted(action.halt);
    epoch_ = action.epoch;  // won, and nothing to run
    co_return Lost(divergence_ ? "divergence " + *divergence_
                               : gone_.value_or("its engine has ended"));
  }
  if (action.kind == Action::Kind::kGoLive) {
    co_return co_await GoLive(action.epoch);
  }
  if (action.kind == Action::Kind::kRefuse) {
    co_await AnswerHandover(false, action.refusal);
    handover_ = false;
  } else {
    SetState(before, "hears " + primary() + " again");
  }
  co_return std::nullopt;
}

// This side won the test-and-set.
asio::awaitable<Outcome> BackupAgent::Impl::GoLive(uint64_t epoch) {
  const Time acquired = Now();
  epoch_ = epoch;
  if (handover_) co_await AnswerHandover(true, "");
  SetState(State::kGoingLive, "consuming the log through " +
                                  std::to_string(entitlement_.received()));
  tasks_.Spawn(Announce());
  co_await WaitOutLease();
  tasks_.Spawn(DrainAndSwitch());
  co_await tasks_.WaitUntil([this] { return live_ || gone_ || divergence_; },
                            Now() + options_.go_live_timeout);
  if (divergence_) co_return Lost("divergence " + *divergence_);
  if (gone_) co_return Lost(*gone_);
  if (!live_) co_return Lost("the engine did not go live in time");
  if (!live_->ok()) co_return Lost(live_->status().message());

  Outcome outcome = Ended(End::kLive, "host-failure",
                          "lost " + primary() + ": " + contest_->suspicion());
  if (handover_) {
    outcome.reason = "user-action";
    outcome.why = "moved here from " + primary();
  } else if (vm_gone_) {
    outcome.why = primary() + " lost its VM: " + *vm_gone_;
  }
  FailoverTimes& times = outcome.times;
  times.detect_ms = contest_->detect_ms();
  times.test_and_set_ms = contest_->test_and_set_ms();
  times.drain_ms = MillisecondsOf(Now() - acquired);
  times.total_ms = times.detect_ms + times.test_and_set_ms + times.drain_ms;
  if (handover_) {
    // The primary hangs up when it has read the answer.
    co_await tasks_.WaitUntil([this] { return lost_.has_value(); },
                              Now() + options_.farewell_timeout);
  }
  co_return outcome;
}

// The primary takes no input any more that would ever count: from now on what
// clients send comes here and waits, instead of being lost there and sent
// again after 200 ms (TCP) or a second (a new connection).
asio::awaitable<void> BackupAgent::Impl::Announce() {
  const Status announced = co_await engine_->Announce();
  if (!announced.ok()) Report("not announced early: " + announced.message());
}

// A primary that cannot be known to be dead may still release what was
// acknowledged last (fencing/output_lease.h). The engine drains meanwhile.
asio::awaitable<void> BackupAgent::Impl::WaitOutLease() {
  const auto suspicion = contest_->arbitration().suspicion();
  if (suspicion && !fencing::LeaseWaitIsNeeded(*suspicion)) co_return;
  co_await tasks_.WaitUntil([this] { return gone_ || divergence_; },
                            lease_.may_go_live_at());
}

// I5: everything that was acknowledged is consumed first; the engine refuses
// a position that the ring does not hold.
asio::awaitable<void> BackupAgent::Impl::DrainAndSwitch() {
  live_ = co_await engine_->GoLive(entitlement_.received(),
                                   options_.go_live_timeout);
}

Outcome BackupAgent::Impl::Lost(const std::string& why) const {
  return Ended(End::kFailed, "host-failure",
               "won the test-and-set, but could not go live: " + why);
}

Outcome BackupAgent::Impl::Halted(HaltReason reason) const {
  const std::string suspicion = contest_->suspicion();
  switch (reason) {
    case HaltReason::kHeldByPeer:
      return Ended(End::kHalted, "fenced", contest_->verdict());
    case HaltReason::kNotEntitled:
      return Ended(End::kHalted, "initializing",
                   "lost " + primary() + " (" + suspicion +
                       "); this was not yet a complete backup");
    case HaltReason::kOwnVmGone:
      return Ended(
          End::kHalted, divergence_ ? "divergence" : "host-failure",
          divergence_ ? *divergence_ : gone_.value_or("its engine has ended"));
    case HaltReason::kHandedOver:
    case HaltReason::kProtectionEnded:
      break;
  }
  return Ended(End::kHalted, "user-action", bye_.value_or("ended"));
}

// "user-action: disabled" is a reason word and a line for the reader.
asio::awaitable<Outcome> BackupAgent::Impl::ConfirmBye() {
  const size_t colon = bye_->find(": ");
  std::string reason = "user-action";
  std::string why = *bye_;
  if (colon != std::string::npos) {
    reason = bye_->substr(0, colon);
    why = bye_->substr(colon + 2);
  }
  co_return co_await Leave(std::move(reason), std::move(why));
}

// The primary waits for this Bye: until it comes its outputs are held. It is
// a promise, so the arbitration is halted first.
asio::awaitable<Outcome> BackupAgent::Impl::Leave(std::string reason,
                                                  std::string why) {
  if (divergence_ || gone_) {
    (void)contest_->arbitration().OnOwnVmGone();
  } else {
    (void)contest_->arbitration().OnBye();
  }
  if (doorbell_) doorbell_->Wake();
  FrameHeader header = Frame();
  header.mutable_bye()->set_reason(reason + ": " + why);
  const Status sent = co_await connection_->Send(header);
  if (sent.ok()) {
    co_await tasks_.WaitUntil([this] { return lost_.has_value(); },
                              Now() + options_.farewell_timeout);
  }
  // After the farewell, for the primary waits for that.
  if (divergence_ && engine_ && entitlement_.following()) {
    const logchannel::LogRing& ring = engine_->ring();
    const LogPosition committed = ring.committed();
    const LogPosition oldest =
        committed - std::min<uint64_t>(committed, ring.data_size());
    LogToKeep log = {.epoch = hello_.epoch(),
                     .clone = clone_,
                     .first = boundaries_.First(oldest).value_or(committed),
                     .why = "divergence " + *divergence_};
    co_await host_.KeepLog(vm(), std::move(log));
  }
  co_return Ended(End::kHalted, std::move(reason), std::move(why));
}

asio::awaitable<void> BackupAgent::Impl::AnswerHandover(bool done,
                                                        std::string error) {
  FrameHeader header = Frame();
  header.mutable_handover_reply()->set_done(done);
  header.mutable_handover_reply()->set_error(std::move(error));
  const Status sent = co_await connection_->Send(header);
  if (!sent.ok()) Report("the handover's answer: " + sent.message());
}

}  // namespace ft::backup
