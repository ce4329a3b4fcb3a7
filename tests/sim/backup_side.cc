// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/backup_side.h"

#include "backup/admission.h"
#include "backup/backup_agent.h"
#include "logchannel/check.h"
#include "logchannel/frame.h"
#include "replay/vm_definition.h"
#include "tests/sim/world.h"

namespace ft::sim {

using backup::Turn;
using fencing::Suspicion;
using Kind = fencing::Action::Kind;
using std::chrono::milliseconds;

namespace {

const backup::BackupOptions kDefaults;
// host/log_listener's.
constexpr milliseconds kHelloTimeout{2000};
// The acknowledger's, as in backup_feed.cc.
constexpr milliseconds kReplayedPause{2};

logchannel::wire::Hello MakeHello(uint64_t epoch, const std::string& host,
                                  const std::string& vm) {
  logchannel::wire::Hello hello;
  hello.set_version(logchannel::kLogChannelVersion);
  hello.set_epoch(epoch);
  hello.set_host(host);
  replay::VmDefinition definition;
  definition.name = vm;
  definition.uuid = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0";
  definition.memory_mib = 64;
  definition.kernel = "/boot/vmlinuz";
  *hello.mutable_vm() = replay::ToWire(definition);
  return hello;
}

}  // namespace

BackupSide::BackupSide(World& world, Ftd& ftd, int host, Connection* connection)
    : world_(world), ftd_(ftd), host_(host), connection_(connection) {
  beat_ = static_cast<uint64_t>(ftd.Now().time_since_epoch().count() / kMs);
  deadline_ = ftd.Now() + kHelloTimeout;
}

void BackupSide::Send(Frame frame) {
  frame.epoch = epoch_;
  world_.network.Send(connection_, host_, frame);
}

bool BackupSide::may_take() const {
  return contender_->arbitration().may_acknowledge() ||
         (world_.options.planted == Planted::kAckAfterContending &&
          phase_ == Phase::kDeciding);
}

// --- Admission.

void BackupSide::Greeted(const Frame& hello) {
  epoch_ = hello.epoch;
  world_.store.Read(host_, ftd_.side_id());
}

void BackupSide::OnStoreRead(bool ok,
                             const std::optional<fencing::VmRecord>& record) {
  if (phase_ == Phase::kDeciding) {
    const std::string& host = world_.hosts[host_].name;
    if (ok && fencing::TakenByAnother(record, epoch_, host)) {
      Over({.epoch = epoch_, .why = "halted: read that another has it"});
    }
    return;
  }
  if (phase_ != Phase::kAdmitting) return;
  Host& here = world_.hosts[host_];
  backup::AdmissionFacts facts;
  facts.host = here.name;
  facts.live_here = here.engine != nullptr && here.engine->running();
  facts.available_memory_mib = 4096;
  if (ok) {
    facts.record = record;
  } else {
    facts.record = Status::Unavailable("the store does not answer");
  }
  const auto hello =
      MakeHello(epoch_, world_.hosts[1 - host_].name, world_.vm_name);
  const Status taken = backup::CheckHello(hello, facts);
  if (!taken.ok()) {
    world_.Note(host_, "refuses to be the backup");
    Send({.type = Frame::Type::kHelloReply, .a = 0});
    return Over({.epoch = epoch_, .why = "refused"});
  }
  engine_ = world_.LaunchEngine(host_);
  engine_->AwaitClone();
  fencing::FailureDetectorOptions detector =
      fencing::FailureDetectorOptions::Backup();
  detector.silence_at_first = fencing::kSilenceWhileStarting;
  contender_.emplace(fencing::ContenderOptions{.role = fencing::Role::kBackup,
                                               .epoch = epoch_,
                                               .detector = detector},
                     ftd_.Now());
  phase_ = Phase::kWatching;
  deadline_ = ftd_.Now() + kDefaults.clone_timeout;
  Send({.type = Frame::Type::kHelloReply, .a = 1});
  if (lost_) OnConnectionLost();
}

// --- Facts.

void BackupSide::OnConnectionLost() {
  lost_ = true;
  if (contender_) contender_->detector().OnConnectionReset(ftd_.Now());
  if (phase_ == Phase::kAdmitting) {
    return Over({.epoch = epoch_, .why = "lost before admission"});
  }
  Script();
}

void BackupSide::OnBeat(const Beat& beat) {
  if (!contender_ || beat.sequence <= heard_beat_) return;
  contender_->detector().OnHeartbeat(ftd_.Now(), beat.epoch);
  if (beat.epoch != epoch_ || !may_take()) return;
  heard_beat_ = beat.sequence;
  lease_.Grant(ftd_.Now());
}

void BackupSide::OnFrame(const Frame& frame) {
  if (frame.type == Frame::Type::kHello) return Greeted(frame);
  if (!contender_ || !may_take()) return;
  // The reader waits until the engine follows.
  const bool waits =
      !early_.empty() ||
      (!entitlement_.following() && frame.type != Frame::Type::kCloneDone &&
       frame.type != Frame::Type::kBye);
  if (waits) {
    early_.push_back(frame);
    return;
  }
  const Status accepted = Take(frame);
  if (!accepted.ok()) {
    world_.Note(host_, "closes the log channel: a broken primary");
    world_.network.Close(connection_, host_);
    return OnConnectionLost();
  }
  Script();
}

Status BackupSide::Take(const Frame& frame) {
  if (frame.epoch != epoch_) return Status::Invalid("wrong epoch");
  const fencing::Instant now = ftd_.Now();
  contender_->detector().OnLogTraffic(now);
  Status status;
  switch (frame.type) {
    case Frame::Type::kEntries:
      return TakeEntries(frame);
    case Frame::Type::kCloneDone:
      return entitlement_.OnCloneDone(frame.a);
    case Frame::Type::kProtect:
      status = entitlement_.OnProtect(frame.a);
      if (status.ok()) Acknowledge();
      return status;
    case Frame::Type::kVmGone:
      status = entitlement_.CheckFinal(frame.a);
      if (status.ok()) contender_->detector().OnPeerVmGone(now);
      return status;
    case Frame::Type::kHandover:
      status = entitlement_.CheckFinal(frame.a);
      if (status.ok()) handover_asked_ = now;
      return status;
    case Frame::Type::kBye:
      bye_ = true;
      return status;
    default:
      return Status::Invalid("a message that no primary sends");
  }
}

Status BackupSide::TakeEntries(const Frame& frame) {
  const Status valid = entitlement_.CheckEntries(frame.a);
  if (!valid.ok()) return valid;
  engine_->Append(*frame.log, frame.a, frame.b);
  entitlement_.OnAppended(frame.b);
  engine_->SetPeerReleased(frame.c);
  lease_.Grant(ftd_.Now());
  Acknowledge();
  return Status::Ok();
}

void BackupSide::Acknowledge() {
  const Status replayed = entitlement_.OnReplayed(engine_->consumed());
  FT_CHECK(replayed.ok()) << replayed.message();
  told_replayed_ = entitlement_.replayed();
  acknowledged_at_ = ftd_.Now();
  world_.invariants.OnAcknowledged(host_, epoch_, entitlement_.received());
  Send({.type = Frame::Type::kAck,
        .a = entitlement_.received(),
        .b = told_replayed_,
        .c = entitlement_.entitled()});
}

// The engine moved on.
void BackupSide::Replayed() {
  if (handover_asked_ && Drained()) ftd_.ScriptIn(0);
  if (!contender_ || !entitlement_.following() || !may_take() || lost_ ||
      engine_->consumed() == told_replayed_) {
    return;
  }
  if (ftd_.Now() - acknowledged_at_ < kReplayedPause) {
    return ftd_.ScriptIn(2 * kMs);
  }
  Acknowledge();
}

void BackupSide::OnEngineExit() {
  gone_ = true;
  if (phase_ == Phase::kGoingLive) {
    return Over({.epoch = won_, .why = "won, and its engine is gone"});
  }
  Script();
}

void BackupSide::OnEngineFollows(uint64_t position) {
  if (!entitlement_.OnFollow(position).ok()) broken_ = true;
  Script();
}

void BackupSide::OnEngineLive() {
  Over({.runs = true, .epoch = won_, .why = "live"});
}

void BackupSide::OnEngineAnswer() {
  asking_ = false;
  watchdog_->OnAnswer(ftd_.Now());
}

// --- The script.

void BackupSide::WatchEngine() {
  if (!entitled_) return;
  if (!watchdog_) watchdog_.emplace(kDefaults.engine_watchdog, ftd_.Now());
  watchdog_->Look(ftd_.Now(), engine_->consumed());
  if (asking_ || !watchdog_->wants_answer()) return;
  asking_ = true;
  engine_->Ask(Engine::Command::kQuery, ftd_.side_id());
}

bool BackupSide::engine_silent() {
  return watchdog_ && watchdog_->silent() && !lost_ &&
         contender_->detector().silence() <= 2 * kDefaults.detector.interval;
}

bool BackupSide::Drained() {
  return engine_->consumed() == entitlement_.received();
}

void BackupSide::Beats() {
  if (engine_ != nullptr) engine_->Beat();
  WatchEngine();
  if (contender_) {
    const uint64_t epoch = won_ != 0 ? won_ : epoch_;
    const uint64_t echo = may_take() ? heard_beat_ : 0;
    world_.network.SendBeat(
        host_, {.epoch = epoch, .sequence = ++beat_, .echo = echo});
  }
}

void BackupSide::Script() {
  while (entitlement_.following() && !early_.empty() && may_take()) {
    const Frame frame = early_.front();
    early_.pop_front();
    if (!Take(frame).ok()) {
      world_.network.Close(connection_, host_);
      lost_ = true;
      contender_->detector().OnConnectionReset(ftd_.Now());
    }
  }
  switch (phase_) {
    case Phase::kAdmitting:
      if (epoch_ == 0 && ftd_.Now() >= deadline_) {
        Over({.why = "no Hello came"});
      }
      return;
    case Phase::kWatching:
      Replayed();
      return Look();
    case Phase::kDeciding:
      if (contender_->waiting()) {
        const Action action =
            contender_->Step(ftd_.Now(), world_.hosts[host_].carrier, gone_);
        if (action.kind != Kind::kNone && action.kind != Kind::kRetryAt) {
          return Do(action);
        }
        WatchOrWait();
      }
      return;
    case Phase::kLeaving:
      if (lost_ || ftd_.Now() >= deadline_) {
        Over({.epoch = epoch_, .why = "left"});
      }
      return;
    case Phase::kGoingLive:
      return GoLive(won_);
  }
}

void BackupSide::Look() {
  if (!entitled_ && entitlement_.entitled()) {
    entitled_ = true;
    world_.invariants.OnEntitled(host_, epoch_);
    world_.Note(host_, "is entitled");
    contender_->arbitration().OnEntitled();
    contender_->detector().Engage();
  }
  const fencing::Instant now = ftd_.Now();
  if (handover_asked_ && !Drained() &&
      now - *handover_asked_ >= kDefaults.handover_drain_timeout) {
    handover_asked_.reset();
    Send({.type = Frame::Type::kHandoverReply, .a = 0});
  }
  const Turn turn = backup::NextTurn(
      {.gone = gone_,
       .broken = broken_,
       .bye = bye_,
       .silent = engine_silent(),
       .clone_late = !entitlement_.following() && now > deadline_,
       .handover = handover_asked_ && Drained()});
  Action action;
  switch (turn) {
    case Turn::kWatch:
      action = contender_->Step(now, world_.hosts[host_].carrier, gone_);
      break;
    case Turn::kHandover:
      handover_asked_.reset();
      handover_ = true;
      action = contender_->arbitration().OnHandover(now);
      break;
    default:
      return Leave();
  }
  if (action.kind != Kind::kNone || contender_->waiting()) Do(action);
}

void BackupSide::Do(const Action& action) {
  switch (action.kind) {
    case Kind::kContend:
      phase_ = Phase::kDeciding;
      world_.Note(
          host_, "contends for epoch %1: %2", action.epoch + 1,
          static_cast<uint64_t>(*contender_->arbitration().suspicion()));
      world_.invariants.OnContended(host_, epoch_);
      // From here on the VM is no pair's, by plan. Not while it drained.
      if (handover_) world_.excused = true;
      if (!handover_ &&
          world_.options.planted != Planted::kAckAfterContending) {
        world_.network.Close(connection_, host_);
      }
      return world_.store.Acquire(host_, ftd_.side_id(), action.epoch);
    case Kind::kGoLive:
      world_.Note(host_, "acquired epoch %1", action.epoch);
      won_ = action.epoch;
      phase_ = Phase::kGoingLive;
      if (handover_) Send({.type = Frame::Type::kHandoverReply, .a = 1});
      return GoLive(action.epoch);
    case Kind::kHalt:
      return Over({.epoch = epoch_, .why = "halted"});
    case Kind::kRefuse:
      Send({.type = Frame::Type::kHandoverReply, .a = 0});
      handover_ = false;
      return WatchOrWait();
    case Kind::kNone:
    case Kind::kRetryAt:
    case Kind::kContinueAlone:
    case Kind::kRelease:
      return WatchOrWait();
  }
}

void BackupSide::WatchOrWait() {
  if (contender_->waiting()) {
    phase_ = Phase::kDeciding;
    if (!contender_->arbitration().has_carrier() && ftd_.Now() >= read_again_) {
      read_again_ = ftd_.Now() + milliseconds(200);
      world_.store.Read(host_, ftd_.side_id());
    }
  } else if (contender_->arbitration().state() ==
             fencing::ArbitrationState::kWatching) {
    phase_ = Phase::kWatching;
  }
}

void BackupSide::OnStoreAnswer(fencing::TestAndSetOutcome outcome) {
  Do(contender_->OnAnswer(ftd_.Now(), outcome, gone_));
}

// --- Ends.

// Waits the primary's lease out while the engine drains.
void BackupSide::GoLive(uint64_t) {
  if (live_asked_) return;
  const Suspicion why = *contender_->arbitration().suspicion();
  const bool waits = fencing::LeaseWaitIsNeeded(why) &&
                     world_.options.planted != Planted::kNoOutputLease;
  const auto left = lease_.may_go_live_at() - ftd_.Now();
  if (waits && lease_.may_go_live_at() > ftd_.Now()) {
    return ftd_.ScriptIn(std::chrono::nanoseconds(left).count() + 10 * kUs);
  }
  live_asked_ = true;
  engine_->Ask(Engine::Command::kGoLive, ftd_.side_id(),
               entitlement_.received());
}

void BackupSide::Leave() {
  if (gone_) {
    (void)contender_->arbitration().OnOwnVmGone();
  } else {
    (void)contender_->arbitration().OnBye();
  }
  world_.invariants.OnRenounced(host_, epoch_);
  world_.Note(host_, "leaves");
  Send({.type = Frame::Type::kBye});
  phase_ = Phase::kLeaving;
  deadline_ = ftd_.Now() + kDefaults.farewell_timeout;
  Script();
}

void BackupSide::Over(SideEnd end) {
  world_.invariants.OnRenounced(host_, epoch_);
  world_.network.Close(connection_, host_);
  if (engine_ != nullptr && !end.runs) engine_->Die("backup's engine killed");
  ftd_.EndSide(end);
}

}  // namespace ft::sim
