// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/backup_agent.h"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "backup/backup_impl.h"

namespace ft::backup {

namespace asio = boost::asio;
using fencing::Action;
using logchannel::wire::FrameHeader;

BackupAgent::BackupAgent(asio::io_context& io, BackupHost& host,
                         fencing::AsyncTestAndSet& test_and_set,
                         asio::thread_pool& blocking,
                         logchannel::HeartbeatPort& heartbeats,
                         BackupListener& listener, BackupOptions options,
                         std::shared_ptr<logchannel::Connection> connection,
                         logchannel::wire::Hello hello)
    : impl_(std::make_unique<Impl>(io, host, test_and_set, blocking, heartbeats,
                                   listener, std::move(options),
                                   std::move(connection), std::move(hello))) {}
BackupAgent::~BackupAgent() = default;

asio::awaitable<Outcome> BackupAgent::Run() { return impl_->Run(); }
void BackupAgent::Stop(const std::string& why) { impl_->Stop(why); }
std::unique_ptr<replay::Engine> BackupAgent::TakeEngine() {
  return impl_->TakeEngine();
}
replay::Engine* BackupAgent::engine() { return impl_->engine(); }
State BackupAgent::state() const { return impl_->state(); }
BackupMetrics BackupAgent::metrics() const { return impl_->metrics(); }
const logchannel::wire::Hello& BackupAgent::hello() const {
  return impl_->hello();
}

BackupAgent::Impl::Impl(asio::io_context& io, BackupHost& host,
                        fencing::AsyncTestAndSet& store,
                        asio::thread_pool& blocking,
                        logchannel::HeartbeatPort& heartbeats,
                        BackupListener& listener, BackupOptions options,
                        std::shared_ptr<logchannel::Connection> connection,
                        logchannel::wire::Hello hello)
    : io_(io),
      host_(host),
      store_(store),
      blocking_(blocking),
      heartbeats_(heartbeats),
      listener_(listener),
      options_(std::move(options)),
      connection_(std::move(connection)),
      hello_(std::move(hello)),
      epoch_(hello_.epoch()),
      replicas_(ReplicasOf(hello_.vm())),
      beat_timer_(io),
      pause_timer_(io),
      tasks_(io.get_executor()) {
  for (const Replica& replica : replicas_) {
    progress_.push_back({.disk = replica.disk,
                         .path = replica.image.path,
                         .total = replica.bytes});
  }
}

asio::awaitable<Outcome> BackupAgent::Impl::Run() {
  SetState(State::kStarting, primary() + " asks for a backup of " + vm());
  Status admitted = co_await Admit();
  std::optional<Outcome> outcome;
  if (admitted.ok()) {
    BeginTraffic();
    outcome = co_await Watch();
  } else {
    outcome = co_await Refuse(std::move(admitted));
  }
  co_await Settle(*outcome);
  co_return std::move(*outcome);
}

// Nothing of this agent runs or is left behind afterwards, but an engine
// that is live.
asio::awaitable<void> BackupAgent::Impl::Settle(const Outcome& outcome) {
  ending_ = true;
  stop_reading_ = true;
  connection_->Close();
  if (doorbell_) doorbell_->Cancel();
  pause_timer_.cancel();
  beat_timer_.cancel();
  if (subscribed_) heartbeats_.Unsubscribe(vm());
  if (engine_ && outcome.end != End::kLive) engine_->Kill();
  tasks_.Notify();
  co_await tasks_.Join();
  doorbell_.reset();
  if (!engine_) co_return;
  engine_->RemoveListener(this);
  if (outcome.end == End::kLive) co_return;
  const bool ended = co_await engine_->WaitExit(std::chrono::seconds(5));
  if (ended) {
    engine_->RemoveFiles();
  } else {
    Report("the engine did not end 5 s after SIGKILL");
  }
  engine_.reset();
  host_.BackupEngineGone(vm());
}

void BackupAgent::Impl::Stop(const std::string& why) {
  if (!stop_) stop_ = why;
  tasks_.Notify();
}

BackupMetrics BackupAgent::Impl::metrics() const {
  return {.received = entitlement_.received(),
          .replayed = entitlement_.replayed(),
          .released = peer_released_,
          .log_bytes = log_bytes_,
          .replicas = progress_};
}

// --- Admission.

asio::awaitable<Status> BackupAgent::Impl::Admit() {
  AdmissionFacts facts;
  facts.host = options_.host;
  facts.live_here = host_.IsLiveHere(vm());
  facts.available_memory_mib = AvailableMemoryMib();
  Status form = CheckVersionAndDefinition(hello_, facts.host);
  if (!form.ok()) co_return form;
  facts.record = co_await store_.Read(vm());
  const replay::VmDefinition definition = replay::FromWire(hello_.vm());
  const replay::VmDefinition* files = &definition;
  facts.boot_files = co_await primary::RunIn(
      blocking_, [files] { return replay::CompareBootFiles(*files); });
  const std::vector<Replica>* replicas = &replicas_;
  facts.replicas = co_await primary::RunIn(
      blocking_, [replicas] { return CheckReplicas(*replicas); });
  Status taken = CheckHello(hello_, facts);
  if (!taken.ok()) co_return taken;
  Status launched = co_await Launch();
  if (!launched.ok()) co_return launched;
  co_return co_await Welcome();
}

asio::awaitable<Status> BackupAgent::Impl::Launch() {
  const replay::VmDefinition definition = replay::FromWire(hello_.vm());
  auto launched = co_await host_.LaunchBackup(definition, replicas_);
  if (!launched.ok()) co_return launched.status();
  engine_ = std::move(launched->engine);
  clone_port_ = launched->clone_port;
  engine_->AddListener(this);
  if (!engine_->running()) gone_ = "its engine has ended";
  tasks_.Spawn(BeatLoop());
  co_return CheckEngineBuild(hello_, options_.host,
                             engine_->ring().engine_build());
}

asio::awaitable<Status> BackupAgent::Impl::Welcome() {
  FrameHeader header = Frame();
  logchannel::wire::HelloReply& reply = *header.mutable_hello_reply();
  reply.set_host(options_.host);
  reply.set_accepted(true);
  reply.set_clone_port(clone_port_);
  reply.set_heartbeat_port(options_.own_heartbeat_port);
  const auto& offered = hello_.compression();
  if (options_.compression && std::find(offered.begin(), offered.end(),
                                        logchannel::kZstd) != offered.end()) {
    decompressor_ = std::make_unique<logchannel::EntryDecompressor>();
    reply.set_compression(logchannel::kZstd);
  }
  co_return co_await connection_->Send(header);
}

void BackupAgent::Impl::BeginTraffic() {
  clone_deadline_ = Now() + options_.clone_timeout;
  fencing::FailureDetectorOptions detector = options_.detector;
  detector.silence_at_first = fencing::kSilenceWhileStarting;
  contest_ = std::make_unique<primary::Contest>(
      store_, tasks_,
      primary::ContestOptions{
          .role = fencing::Role::kBackup,
          .vm = vm(),
          .host = options_.host,
          .epoch = hello_.epoch(),
          .detector = detector,
          .uplink_up = options_.uplink_up,
          .own_vm_gone = [this] { return gone_ || divergence_; },
          .contending =
              [this] {
                // The primary must not hold outputs for answers that will
                // never come; a handover is still answered.
                if (!handover_) connection_->Close();
              },
          .report = [this](const std::string& what) { Report(what); }});
  subscribed_ = true;
  heartbeats_.Subscribe(
      vm(),
      [this](const logchannel::wire::Heartbeat& heartbeat,
             const std::string& sender) { OnHeartbeat(heartbeat, sender); });
  tasks_.Spawn(ReadLoop());
  if (!replicas_.empty()) tasks_.Spawn(SendChecksums());
}

// --- The beats.

asio::awaitable<void> BackupAgent::Impl::BeatLoop() {
  while (!ending_) {
    logchannel::LogRing& ring = engine_->ring();
    ring.Beat();
    if (doorbell_ && may_take()) {
      NoteDamage(ring.CheckHeader(logchannel::Direction::kReplay));
    }
    if (engine_watch_) engine_watch_->Beat(ring.consumed());
    if (subscribed_) SendHeartbeat();
    tasks_.Notify();
    beat_timer_.expires_after(options_.detector.interval);
    boost::system::error_code cancelled;
    co_await beat_timer_.async_wait(
        asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

void BackupAgent::Impl::SendHeartbeat() {
  logchannel::wire::Heartbeat heartbeat;
  heartbeat.set_vm(vm());
  heartbeat.set_epoch(epoch_);
  heartbeat.set_host(options_.host);
  heartbeat.set_sequence(++heartbeat_sequence_);
  if (may_take()) heartbeat.set_echo(heard_beat_);
  (void)heartbeats_.SendTo(connection_->peer_address(),
                           static_cast<uint16_t>(hello_.heartbeat_port()),
                           heartbeat);
}

void BackupAgent::Impl::OnHeartbeat(
    const logchannel::wire::Heartbeat& heartbeat, const std::string& sender) {
  if (sender != connection_->peer_address()) return;
  if (heartbeat.host() != primary()) return;
  if (!heartbeat_order_.Accept(heartbeat)) return;
  contest_->detector().OnHeartbeat(Now(), heartbeat.epoch());
  if (heartbeat.epoch() != hello_.epoch() || !may_take()) return;
  heard_beat_ = heartbeat.sequence();
  lease_.Grant(Now());
}

// --- The engine's voice.

void BackupAgent::Impl::OnFollow(uint64_t position) {
  const Status accepted = entitlement_.OnFollow(position);
  if (!accepted.ok()) broken_ = accepted;
  tasks_.Notify();
}

void BackupAgent::Impl::OnDivergence(const replay::Divergence& divergence) {
  if (!divergence_) {
    divergence_ = "at " + std::to_string(divergence.position) + " expected " +
                  divergence.expected + ", got " + divergence.got;
  }
  tasks_.Notify();
}

void BackupAgent::Impl::OnShutdown(const std::string& reason) {
  guest_shutdown_ = reason == "guest-shutdown";
}

void BackupAgent::Impl::OnExit(const std::string& why) {
  if (!gone_) gone_ = why;
  tasks_.Notify();
}

// --- Watching the primary.

asio::awaitable<Outcome> BackupAgent::Impl::Watch() {
  for (;;) {
    co_await tasks_.WaitUntil(
        [this] {
          return gone_ || divergence_ || lost_ || bye_ || stop_ || vm_gone_ ||
                 broken_ || damage_ || (handover_asked_ && drained()) ||
                 (state_ == State::kStarting && entitlement_.entitled());
        },
        Now() + options_.detector.interval);
    NoteProgress();
    auto outcome = co_await Look();
    if (outcome) co_return std::move(*outcome);
  }
}

// One look at everything that may have happened.
asio::awaitable<std::optional<Outcome>> BackupAgent::Impl::Look() {
  co_await RefuseLateHandover();
  const bool clone_late = !entitlement_.following() && Now() > clone_deadline_;
  const Turn turn = NextTurn({.diverged = divergence_.has_value(),
                              .gone = gone_.has_value(),
                              .guest_shutdown = guest_shutdown_,
                              .broken = broken_.has_value(),
                              .damaged = damage_.has_value(),
                              .bye = bye_.has_value(),
                              .stop = stop_.has_value(),
                              .silent = engine_silent(),
                              .clone_late = clone_late,
                              .handover = handover_asked_ && drained()});
  Action action;
  switch (turn) {
    case Turn::kLeaveDiverged:
      co_return co_await Leave("divergence", *divergence_);
    case Turn::kLeaveShutdown:
      co_return co_await Leave("user-action", "the guest powered off");
    case Turn::kLeaveGone:
      co_return co_await Leave("host-failure", *gone_);
    case Turn::kLeaveBroken:
      co_return co_await Leave("initializing", broken_->message());
    case Turn::kLeaveDamaged:
      co_return co_await Leave("host-failure", damage_->message());
    case Turn::kConfirmBye:
      co_return co_await ConfirmBye();
    case Turn::kLeaveStopped:
      co_return co_await Leave("user-action", *stop_);
    case Turn::kLeaveSilent:
      co_return co_await Leave("host-failure", engine_watch_->Accusation());
    case Turn::kLeaveCloneLate:
      co_return co_await Leave("initializing", "the clone did not arrive");
    case Turn::kHandover:
      handover_asked_.reset();
      handover_ = true;
      action = contest_->arbitration().OnHandover(Now());
      break;
    case Turn::kWatch:
      action = contest_->Step(Now());
      break;
  }
  const bool waiting =
      contest_->arbitration().state() == fencing::ArbitrationState::kWaiting;
  if (action.kind == Action::Kind::kNone && !waiting) co_return std::nullopt;
  co_return co_await Decide(action);
}

void BackupAgent::Impl::NoteProgress() {
  if (state_ != State::kStarting || !entitlement_.entitled()) return;
  contest_->arbitration().OnEntitled();
  contest_->detector().Engage();
  engine_watch_ = std::make_unique<primary::EngineWatch>(
      *engine_, tasks_, options_.engine_watchdog);
  SetState(State::kProtected, "in virtual lockstep with " + primary());
}

bool BackupAgent::Impl::engine_silent() const {
  return engine_watch_ && engine_watch_->silent() && !lost_ && !vm_gone_ &&
         contest_->detector().silence() <= 2 * options_.detector.interval;
}

bool BackupAgent::Impl::drained() const {
  return engine_->ring().consumed() == entitlement_.received();
}

asio::awaitable<void> BackupAgent::Impl::RefuseLateHandover() {
  const auto timeout = options_.handover_drain_timeout;
  if (!handover_asked_ || drained() || Now() - *handover_asked_ < timeout) {
    co_return;
  }
  handover_asked_.reset();
  co_await AnswerHandover(false, options_.host +
                                     " did not execute the log within " +
                                     std::to_string(timeout.count()) + " ms");
}

void BackupAgent::Impl::SetState(State state, const std::string& why) {
  state_ = state;
  listener_.OnBackupState(state, why);
}

FrameHeader BackupAgent::Impl::Frame() const {
  FrameHeader header;
  header.set_epoch(hello_.epoch());
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
    case State::kGoingLive:
      return "going live";
  }
  return "?";
}

const char* Name(End end) {
  switch (end) {
    case End::kRefused:
      return "refused";
    case End::kLive:
      return "live";
    case End::kHalted:
      return "halted";
    case End::kFailed:
      return "failed";
  }
  return "?";
}

}  // namespace ft::backup
