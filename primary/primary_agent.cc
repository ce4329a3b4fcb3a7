// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/primary_agent.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "fencing/boot_clock.h"
#include "primary/pace.h"
#include "primary/primary_impl.h"

namespace ft::primary {

namespace asio = boost::asio;
using fencing::Action;
using logchannel::wire::FrameHeader;

PrimaryAgent::PrimaryAgent(asio::io_context& io, replay::Engine& engine,
                           fencing::AsyncTestAndSet& test_and_set,
                           asio::thread_pool& blocking,
                           logchannel::HeartbeatPort& heartbeats,
                           PrimaryListener& listener, PrimaryOptions options)
    : impl_(std::make_unique<Impl>(io, engine, test_and_set, blocking,
                                   heartbeats, listener, std::move(options))) {}
PrimaryAgent::~PrimaryAgent() = default;

asio::awaitable<Outcome> PrimaryAgent::Run() { return impl_->Run(); }
void PrimaryAgent::Disable(const std::string& why) { impl_->Disable(why); }
asio::awaitable<Status> PrimaryAgent::Failover() { return impl_->Failover(); }
State PrimaryAgent::state() const { return impl_->state(); }
PrimaryMetrics PrimaryAgent::metrics() const { return impl_->metrics(); }

PrimaryAgent::Impl::Impl(asio::io_context& io, replay::Engine& engine,
                         fencing::AsyncTestAndSet& store,
                         asio::thread_pool& blocking,
                         logchannel::HeartbeatPort& heartbeats,
                         PrimaryListener& listener, PrimaryOptions options)
    : io_(io),
      engine_(engine),
      store_(store),
      blocking_(blocking),
      heartbeats_(heartbeats),
      listener_(listener),
      options_(std::move(options)),
      progress_(options_.stall_timeout),
      beat_timer_(io),
      tasks_(io.get_executor()) {}

asio::awaitable<Outcome> PrimaryAgent::Impl::Run() {
  engine_.AddListener(this);
  if (!engine_.running()) gone_ = "its engine has ended";
  tasks_.Spawn(BeatLoop());
  SetState(State::kStarting, "connecting to " + options_.peer);
  const Status started = co_await Start();
  std::optional<Outcome> outcome;
  if (started.ok()) {
    outcome = co_await Watch();
  } else {
    outcome = co_await Undo(started);
  }
  ending_ = true;
  StopTraffic();
  beat_timer_.cancel();
  if (peer_heartbeat_port_ != 0) heartbeats_.Unsubscribe(vm());
  if (!handover_result_) {
    handover_result_ = Status::Failed(outcome->why);
  }
  tasks_.Notify();
  co_await tasks_.Join();
  co_await tasks_.WaitUntil([this] { return failover_callers_ == 0; },
                            Now() + std::chrono::seconds(1));
  engine_.RemoveListener(this);
  co_return std::move(*outcome);
}

void PrimaryAgent::Impl::Disable(const std::string& why) {
  if (!disable_) disable_ = why;
  tasks_.Notify();
}

asio::awaitable<Status> PrimaryAgent::Impl::Failover() {
  if (state_ != State::kProtected || ending_) {
    co_return Status::Invalid(vm() + " is " + Name(state_) + ", not protected",
                              "wait until `ftctl status` says protected");
  }
  if (handover_asked_) {
    co_return Status::Invalid("a failover of " + vm() + " is under way");
  }
  handover_result_.reset();
  handover_asked_ = true;
  ++failover_callers_;
  tasks_.Notify();
  co_await tasks_.WaitUntil([this] { return handover_result_.has_value(); },
                            Now() + std::chrono::hours(1));
  Status result = handover_result_.value_or(
      Status::Failed("the failover of " + vm() + " did not end"));
  --failover_callers_;
  tasks_.Notify();
  co_return result;
}

PrimaryMetrics PrimaryAgent::Impl::metrics() {
  const auto now = Now();
  const logchannel::LogRing& ring = engine_.ring();
  return {.committed = ring.committed(),
          .sent = protection_.sent(),
          .received = protection_.received(),
          .replayed = protection_.replayed(),
          .released = ring.released(),
          .execution_lag_ms = lag_.current_ms(now),
          .execution_lag_ms_p50 = lag_.percentile_ms(50),
          .execution_lag_ms_p99 = lag_.percentile_ms(99),
          .log_bytes = lag_.log_bytes(),
          .log_mbit_per_s = lag_.mbit_per_s(now),
          .wire_bytes = lag_.wire_bytes(),
          .wire_mbit_per_s = lag_.wire_mbit_per_s(now),
          .clone_pause_ms = clone_pause_ms_,
          .clone_total_ms = clone_total_ms_,
          .test_and_set_ms = contest_ ? contest_->test_and_set_ms() : 0,
          .replicas = replicas_};
}

// --- The engine's voice.

void PrimaryAgent::Impl::OnOrphaned() {
  orphaned_ = true;
  tasks_.Notify();
}

void PrimaryAgent::Impl::OnShutdown(const std::string& reason) {
  guest_shutdown_ = reason == "guest-shutdown";
}

void PrimaryAgent::Impl::OnExit(const std::string& why) {
  if (!gone_) gone_ = why;
  tasks_.Notify();
}

// --- The loops beside the script.

asio::awaitable<void> PrimaryAgent::Impl::BeatLoop() {
  while (!ending_) {
    logchannel::LogRing& ring = engine_.ring();
    ring.Beat();
    if (pump_) NoteDamage(ring.CheckHeader(logchannel::Direction::kRecord));
    if (engine_watch_) engine_watch_->Beat(ring.committed() + ring.released());
    if (peer_heartbeat_port_ != 0) SendHeartbeat();
    SetPace();
    tasks_.Notify();
    beat_timer_.expires_after(options_.detector.interval);
    boost::system::error_code cancelled;
    co_await beat_timer_.async_wait(
        asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

// At every beat as well: a backup that acknowledges nothing is far behind.
void PrimaryAgent::Impl::SetPace() {
  engine_.ring().SetPace(PacePermille(lag_.current_ms(Now())));
}

void PrimaryAgent::Impl::SendHeartbeat() {
  logchannel::wire::Heartbeat heartbeat;
  heartbeat.set_vm(vm());
  heartbeat.set_epoch(options_.epoch);
  heartbeat.set_host(options_.host);
  heartbeat.set_sequence(++heartbeat_sequence_);
  lease_.OnBeatSent(heartbeat_sequence_, fencing::BootNow());
  // A beat that could not leave is followed by another in 50 ms, and the
  // peer's silence says the rest.
  (void)heartbeats_.SendTo(options_.peer_address, peer_heartbeat_port_,
                           heartbeat);
}

void PrimaryAgent::Impl::OnHeartbeat(
    const logchannel::wire::Heartbeat& heartbeat, const std::string& sender) {
  if (sender != connection_->peer_address()) return;
  if (heartbeat.host() != options_.peer) return;
  if (!heartbeat_order_.Accept(heartbeat)) return;
  contest_->detector().OnHeartbeat(Now(), heartbeat.epoch());
  if (heartbeat.epoch() != options_.epoch) return;
  lease_.OnBeatEchoed(heartbeat.echo());
  WriteLease();
  engine_.ring().WakeEngine();
}

// Not once the traffic has ended: the engine may hold nothing any more.
void PrimaryAgent::Impl::WriteLease() {
  if (!connection_->open()) return;
  engine_.ring().SetLease(
      static_cast<uint64_t>(lease_.until().time_since_epoch().count()));
}

asio::awaitable<void> PrimaryAgent::Impl::ReadLoop() {
  while (!ending_) {
    auto frame = co_await connection_->Receive();
    if (!frame.ok()) {
      Lose(frame.status());
      co_return;
    }
    const Status accepted = OnFrame(frame->header);
    if (!accepted.ok()) {
      Report("closed the log channel: " + accepted.message());
      connection_->Close();
      Lose(accepted);
      co_return;
    }
  }
}

asio::awaitable<void> PrimaryAgent::Impl::PumpLoop() {
  const Status ended = co_await pump_->Run();
  NoteDamage(pump_->damage());
  if (!ended.ok() && pump_->damage().ok()) Lose(ended);
}

void PrimaryAgent::Impl::NoteDamage(const Status& found) {
  if (found.ok() || damage_) return;
  damage_ = found;
  tasks_.Notify();
}

void PrimaryAgent::Impl::Lose(const Status& why) {
  if (!lost_) lost_ = why;
  contest_->detector().OnConnectionReset(Now());
  tasks_.Notify();
}

Status PrimaryAgent::Impl::OnFrame(const FrameHeader& header) {
  if (header.epoch() != options_.epoch) {
    return Status::Invalid(options_.peer + " sent a frame of epoch " +
                           std::to_string(header.epoch()) + ", this is " +
                           std::to_string(options_.epoch));
  }
  contest_->detector().OnLogTraffic(Now());
  switch (header.message_case()) {
    case FrameHeader::kAck:
      return OnAck(header.ack());
    case FrameHeader::kReplicaChecksums:
      return OnChecksums(header.replica_checksums());
    case FrameHeader::kHandoverReply:
      handover_reply_ = header.handover_reply();
      break;
    case FrameHeader::kBye:
      peer_bye_ = header.bye().reason();
      protection_.OnPeerBye();
      break;
    default:
      return Status::Invalid(options_.peer +
                             " sent a message that no backup sends");
  }
  tasks_.Notify();
  return Status::Ok();
}

Status PrimaryAgent::Impl::OnAck(const logchannel::wire::Ack& ack) {
  const auto phase = protection_.phase();
  const LogPosition received = protection_.received();
  const LogPosition replayed = protection_.replayed();
  Status accepted =
      protection_.OnAck(ack.received(), ack.replayed(), ack.entitled());
  if (!accepted.ok()) return accepted;
  if (protection_.received() > received) progress_.OnReceived(Now());
  if (protection_.replayed() > replayed) progress_.OnReplayed(Now());
  // The output rule: the engine releases what is tagged at or below this,
  // while the lease lasts, so that has to be there first.
  lease_.OnAcknowledged(ack.received());
  WriteLease();
  NoteDamage(engine_.ring().Acknowledge(ack.received()));
  engine_.ring().SetReplayed(ack.replayed());
  lag_.OnReplayed(ack.replayed(), Now());
  SetPace();
  // While all is well the beats wake the script often enough.
  if (phase != Protection::Phase::kProtected) tasks_.Notify();
  return accepted;
}

// --- Watching a protection.

asio::awaitable<Outcome> PrimaryAgent::Impl::Watch() {
  for (;;) {
    co_await tasks_.WaitUntil(
        [this] {
          return gone_ || lost_ || peer_bye_ || disable_ || damage_ ||
                 orphaned_ || (handover_asked_ && !handover_result_) ||
                 (state_ == State::kStarting &&
                  protection_.phase() == Protection::Phase::kProtected);
        },
        Now() + options_.detector.interval);
    NoteProgress();
    auto outcome = co_await Look();
    if (outcome) co_return std::move(*outcome);
  }
}

// One look at everything that may have happened.
asio::awaitable<std::optional<Outcome>> PrimaryAgent::Impl::Look() {
  switch (NextTurn({.gone = gone(),
                    .peer_bye = peer_bye_.has_value(),
                    .disable = disable_.has_value(),
                    .damaged = damage_ && !lost_,
                    .orphaned = orphaned_,
                    .stalled = stalled_,
                    .silent = engine_silent()})) {
    case Turn::kVmGone:
      co_return co_await VmGone();
    case Turn::kPeerLeft:
      co_return co_await PeerLeft();
    case Turn::kEndByOperator:
      co_return co_await EndByOperator();
    case Turn::kSuspectOurselves:
      Report("this host stood still for 2 s; " + vm() + " is paused");
      co_return co_await Decide(contest_->arbitration().Suspect(
          Now(), fencing::Suspicion::kRestarted));
    case Turn::kSuspectNoProgress:
      co_return co_await Decide(contest_->arbitration().Suspect(
          Now(), fencing::Suspicion::kNoProgress));
    case Turn::kGiveEngineUp:
      co_return co_await GiveEngineUp();
    case Turn::kWatch:
      break;
  }
  const Action action = contest_->Step(Now());
  const bool waiting =
      contest_->arbitration().state() == fencing::ArbitrationState::kWaiting;
  if (action.kind != Action::Kind::kNone || waiting) {
    co_return co_await Decide(action);
  }
  if (handover_asked_ && !handover_result_) co_return co_await HandOver();
  co_return std::nullopt;
}

void PrimaryAgent::Impl::NoteProgress() {
  if (state_ == State::kStarting &&
      protection_.phase() == Protection::Phase::kProtected) {
    lag_.BeginPercentiles();
    engine_watch_ = std::make_unique<EngineWatch>(engine_, tasks_,
                                                  options_.engine_watchdog);
    SetState(State::kProtected, "in virtual lockstep with " + options_.peer);
  }
  if (state_ == State::kProtected) NoteLease();
  switch (progress_.Look(Now(), protection_.sent(), protection_.received(),
                         protection_.replayed())) {
    case ProgressWatch::Stall::kNone:
      break;
    case ProgressWatch::Stall::kAcknowledges:
      GiveUp("acknowledged");
      break;
    case ProgressWatch::Stall::kExecutes:
      GiveUp("executed");
      break;
  }
}

// A connection that is lost may mean that nobody is left to take over: then
// the store decides first, and an engine that goes on is better than none.
bool PrimaryAgent::Impl::engine_silent() const {
  return engine_watch_ && engine_watch_->silent() && !lost_;
}

void PrimaryAgent::Impl::GiveUp(const std::string& what) {
  if (stalled_ || lost_) return;
  stalled_ = true;
  Report(options_.peer + " " + what + " nothing for " +
         std::to_string(options_.stall_timeout.count()) +
         " ms while log waits for it");
}

// Protected all the same, and of no use to any client.
void PrimaryAgent::Impl::NoteLease() {
  if (!lease_gap_.Look(fencing::BootNow(), lease_.until())) return;
  SetState(State::kProtected,
           lease_gap_.waits()
               ? "outputs wait: answers of " + options_.peer +
                     " take longer than the output lease of " +
                     std::to_string(fencing::kOutputLease.count()) +
                     " ms; make the way to it faster, or ftctl disable " + vm()
               : "in virtual lockstep with " + options_.peer);
}

void PrimaryAgent::Impl::SetState(State state, const std::string& why) {
  state_ = state;
  listener_.OnPrimaryState(state, why);
}

FrameHeader PrimaryAgent::Impl::Frame() const {
  FrameHeader header;
  header.set_epoch(options_.epoch);
  return header;
}

const char* Name(State state) {
  switch (state) {
    case State::kStarting:
      return "starting";
    case State::kProtected:
      return "protected";
    case State::kDeciding:
      return "deciding";
    case State::kHandingOver:
      return "handing over";
  }
  return "?";
}

const char* Name(End end) {
  switch (end) {
    case End::kNotStarted:
      return "not started";
    case End::kDisabled:
      return "disabled";
    case End::kAlone:
      return "alone";
    case End::kMoved:
      return "moved";
    case End::kFenced:
      return "fenced";
    case End::kVmGone:
      return "VM gone";
  }
  return "?";
}

}  // namespace ft::primary
