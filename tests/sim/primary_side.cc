// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/primary_side.h"

#include "fencing/async_test_and_set.h"
#include "primary/pace.h"
#include "primary/primary_agent.h"
#include "tests/sim/world.h"

namespace ft::sim {

using fencing::Suspicion;
using Kind = fencing::Action::Kind;
using primary::Turn;
using std::chrono::milliseconds;

namespace {

const primary::PrimaryOptions kDefaults;
constexpr Time kBeat = 50 * kMs;

bool IsCarriedOutLater(Kind kind) {
  return kind == Kind::kNone || kind == Kind::kRetryAt;
}

}  // namespace

PrimarySide::PrimarySide(World& world, Ftd& ftd, int host, uint64_t epoch)
    : world_(world),
      ftd_(ftd),
      engine_(*world.hosts[host].engine),
      host_(host),
      epoch_(epoch),
      progress_(kDefaults.stall_timeout) {
  // Never a number that an earlier side of this epoch had.
  beat_ = static_cast<uint64_t>(ftd.Now().time_since_epoch().count() / kMs);
  world_.network.Connect(host);
}

void PrimarySide::Await(Phase phase, milliseconds patience) {
  phase_ = phase;
  deadline_ = ftd_.Now() + patience;
}

void PrimarySide::Send(Frame frame) {
  frame.epoch = epoch_;
  if (connection_ != nullptr) world_.network.Send(connection_, host_, frame);
}

// --- Facts.

void PrimarySide::OnConnected(Connection* connection) {
  if (connection == nullptr || !connection->ends[host_].open) {
    return Over({.runs = !gone_, .epoch = epoch_, .why = "no connection"});
  }
  connection_ = connection;
  Await(Phase::kGreeting, kDefaults.hello_timeout);
  Send({.type = Frame::Type::kHello});
}

void PrimarySide::OnConnectionLost() {
  lost_ = true;
  if (contender_) contender_->detector().OnConnectionReset(ftd_.Now());
  Script();
}

void PrimarySide::OnBeat(const Beat& beat) {
  if (!contender_ || beat.sequence <= heard_beat_) return;
  heard_beat_ = beat.sequence;
  contender_->detector().OnHeartbeat(ftd_.Now(), beat.epoch);
  if (beat.epoch != epoch_ || beat.echo == 0) return;
  lease_.OnBeatEchoed(beat.echo);
  engine_.SetLease(lease_.until());
}

void PrimarySide::OnFrame(const Frame& frame) {
  const fencing::Instant now = ftd_.Now();
  if (phase_ == Phase::kGreeting) {
    if (frame.a == 0) return Over({.runs = true, .epoch = epoch_});
    fencing::FailureDetectorOptions detector =
        fencing::FailureDetectorOptions::Primary();
    detector.silence_at_first = fencing::kSilenceWhileStarting;
    contender_.emplace(
        fencing::ContenderOptions{.role = fencing::Role::kPrimary,
                                  .epoch = epoch_,
                                  .detector = detector},
        now);
    phase_ = Phase::kCloning;
    engine_.Ask(Engine::Command::kClone, ftd_.side_id(), 0,
                world_.hosts[1 - host_].engine);
    return Script();
  }
  Status accepted =
      frame.epoch == epoch_ ? Status::Ok() : Status::Invalid("wrong epoch");
  contender_->detector().OnLogTraffic(now);
  if (frame.type == Frame::Type::kAck) {
    const uint64_t received = protection_.received();
    const uint64_t replayed = protection_.replayed();
    if (accepted.ok())
      accepted = protection_.OnAck(frame.a, frame.b, frame.c != 0);
    if (accepted.ok()) {
      if (protection_.received() > received) progress_.OnReceived(now);
      if (protection_.replayed() > replayed) progress_.OnReplayed(now);
      lease_.OnAcknowledged(frame.a);
      const bool heard_counts =
          world_.options.planted == Planted::kLeaseFromHearing;
      engine_.SetLease(heard_counts ? now + fencing::kOutputLease
                                    : lease_.until());
      engine_.Acknowledge(frame.a);
      lag_.OnReplayed(frame.b, now);
      SetPace();
    }
  } else if (frame.type == Frame::Type::kHandoverReply) {
    handover_reply_ = frame.a != 0;
  } else if (frame.type == Frame::Type::kBye) {
    peer_bye_ = true;
    protection_.OnPeerBye();
  }
  if (!accepted.ok()) {
    world_.Note(host_, "closes the log channel: a broken backup");
    world_.network.Close(connection_, host_);
    return OnConnectionLost();
  }
  Script();
}

void PrimarySide::OnEngineExit() {
  gone_ = true;
  if (phase_ == Phase::kUnprotecting) {
    return Over({.epoch = end_.epoch,
                 .release_record = true,
                 .why = "died while unprotecting"});
  }
  Script();
}

void PrimarySide::OnEngineOrphaned() {
  orphaned_ = true;
  Script();
}

void PrimarySide::Disable() {
  disable_ = true;
  Script();
}

void PrimarySide::Failover() {
  if (is_protected()) handover_asked_ = true;
  Script();
}

// --- Log and beats.

void PrimarySide::Pump() {
  if (phase_ < Phase::kCatchingUp || phase_ == Phase::kUnprotecting || lost_) {
    return;
  }
  const uint64_t first = protection_.sent(), end = engine_.committed();
  if (first == end) return;
  protection_.OnSent(end);
  lag_.OnSent(end, end - first, ftd_.Now());
  lease_.OnSent(end, ftd_.Now());
  Send({.type = Frame::Type::kEntries,
        .a = first,
        .b = end,
        .c = engine_.released(),
        .log = &engine_});
}

void PrimarySide::Beats() {
  engine_.Beat();
  WatchEngine();
  if (contender_) {
    lease_.OnBeatSent(++beat_, ftd_.Now());
    world_.network.SendBeat(host_, {.epoch = epoch_, .sequence = beat_});
  }
  SetPace();
}

void PrimarySide::WatchEngine() {
  if (!is_protected()) return;
  if (!watchdog_) watchdog_.emplace(kDefaults.engine_watchdog, ftd_.Now());
  watchdog_->Look(ftd_.Now(), engine_.committed() + engine_.released());
  if (asking_ || !watchdog_->wants_answer()) return;
  asking_ = true;
  engine_.Ask(Engine::Command::kQuery, ftd_.side_id());
}

void PrimarySide::SetPace() {
  engine_.SetPace(primary::PacePermille(lag_.current_ms(ftd_.Now())));
}

// --- The script.

// Woken by every fact, and by the beat.
void PrimarySide::Script() {
  switch (phase_) {
    case Phase::kConnecting:
    case Phase::kUnprotecting:
      return;
    case Phase::kGreeting:
      if (lost_ || late()) Over({.runs = !gone_, .epoch = epoch_});
      return;
    case Phase::kCloning:
    case Phase::kProtecting:
      if (gone_) Undo();  // the command has ended with the engine
      return;
    case Phase::kCatchingUp:
      return CatchUp();
    case Phase::kWatching:
      return Look();
    case Phase::kDeciding:
      if (contender_->waiting()) {
        const Action action =
            contender_->Step(ftd_.Now(), world_.hosts[host_].carrier, gone_);
        if (!IsCarriedOutLater(action.kind)) return Do(action);
        WatchOrWait();
      }
      return;
    case Phase::kUndoing:
      if (peer_bye_ || lost_ || late()) {
        protection_.phase() == primary::Protection::Phase::kConnecting || gone_
            ? Over({.runs = !gone_, .epoch = epoch_, .release_record = gone_})
            : Alone(epoch_, "not started");
      }
      return;
    case Phase::kEnding:
      if (gone_) return VmGone();
      if (peer_bye_) return Alone(epoch_, "disabled");
      if (lost_ || late()) {
        Do(contender_->arbitration().Suspect(ftd_.Now(),
                                             Suspicion::kProtectionEnded));
      }
      return;
    case Phase::kDraining:
      if (lost_ || late()) return Over({.epoch = epoch_, .why = "VM died"});
      Pump();
      return Tell(Frame::Type::kVmGone);
    case Phase::kKilling:
      if (gone_) return VmGone();
      if (late()) Over({.epoch = epoch_, .why = "VM cannot be ended"});
      return;
    case Phase::kTelling:
      if (lost_ || late()) Over({.epoch = epoch_, .why = "VM died"});
      return;
    case Phase::kPausing:
    case Phase::kAwaitingHandover:
      return HandOver();
  }
}

bool PrimarySide::Trouble() {
  return gone_ || disable_ || peer_bye_ || lost_ ||
         contender_->detector().Tick(ftd_.Now()).has_value();
}

void PrimarySide::OnEngineAnswer(Engine::Command command, uint64_t answer) {
  switch (command) {
    case Engine::Command::kClone:
      if (answer == 0) return Undo();
      protection_.OnClone(answer);
      progress_.Begin(ftd_.Now());
      phase_ = Phase::kCatchingUp;
      if (Trouble()) return Undo();
      Send({.type = Frame::Type::kCloneDone, .a = answer});
      return Pump();
    case Engine::Command::kProtect:
      if (Trouble()) return Undo();
      protection_.OnProtect(answer);
      contender_->detector().Engage();
      world_.Note(host_, "protects from %1", answer);
      Send({.type = Frame::Type::kProtect, .a = answer});
      phase_ = Phase::kWatching;
      return Script();
    case Engine::Command::kUnprotect:
      return Over(end_);
    case Engine::Command::kStop:
      if (phase_ != Phase::kPausing) return;
      Await(Phase::kPausing, kDefaults.farewell_timeout);
      handover_sent_ = false;
      return Script();
    case Engine::Command::kQuery:
      asking_ = false;
      return watchdog_->OnAnswer(ftd_.Now());
    case Engine::Command::kGoLive:
      return;
  }
}

void PrimarySide::CatchUp() {
  if (Trouble()) return Undo();
  const auto lag = static_cast<int64_t>(lag_.current_ms(ftd_.Now()));
  if (!protection_.CaughtUp(engine_.committed(), milliseconds(lag),
                            ftd_.Now())) {
    return;
  }
  phase_ = Phase::kProtecting;
  engine_.Ask(Engine::Command::kProtect, ftd_.side_id());
}

void PrimarySide::Look() {
  using Stall = primary::ProgressWatch::Stall;
  const fencing::Instant now = ftd_.Now();
  if (is_protected()) world_.OnProtected(host_, epoch_);
  if (progress_.Look(now, protection_.sent(), protection_.received(),
                     protection_.replayed()) != Stall::kNone) {
    stalled_ = true;
  }
  const bool silent = watchdog_ && watchdog_->silent() && !lost_;
  switch (primary::NextTurn({.gone = gone_,
                             .peer_bye = peer_bye_,
                             .disable = disable_,
                             .orphaned = orphaned_,
                             .stalled = stalled_,
                             .silent = silent})) {
    case Turn::kVmGone:
      return VmGone();
    case Turn::kPeerLeft:
      return Alone(epoch_, "the backup left");
    case Turn::kEndByOperator:
      Await(Phase::kEnding, kDefaults.farewell_timeout);
      return Send({.type = Frame::Type::kBye});
    case Turn::kSuspectOurselves:
      return Do(contender_->arbitration().Suspect(now, Suspicion::kRestarted));
    case Turn::kSuspectNoProgress:
      return Do(contender_->arbitration().Suspect(now, Suspicion::kNoProgress));
    case Turn::kGiveEngineUp:
      return GiveEngineUp();
    case Turn::kWatch:
      break;
  }
  const Action action =
      contender_->Step(now, world_.hosts[host_].carrier, gone_);
  if (action.kind != Kind::kNone || contender_->waiting()) return Do(action);
  if (handover_asked_) {
    world_.Note(host_, "begins a planned failover");
    Await(Phase::kPausing, milliseconds(60000));
    world_.store.Read(host_, ftd_.side_id());
  }
}

void PrimarySide::Do(const Action& action) {
  switch (action.kind) {
    case Kind::kContend:
      phase_ = Phase::kDeciding;
      world_.Note(host_, "contends for epoch %1", action.epoch + 1);
      return world_.store.Acquire(host_, ftd_.side_id(), action.epoch);
    case Kind::kContinueAlone:
      return Alone(action.epoch, "lost its backup");
    case Kind::kHalt:
      return Halted(action);
    case Kind::kNone:
    case Kind::kRetryAt:
    case Kind::kGoLive:
    case Kind::kRefuse:
    case Kind::kRelease:
      return WatchOrWait();
  }
}

// The pair is whole again, or the decision waits. Without a carrier this side
// may still read who has the VM.
void PrimarySide::WatchOrWait() {
  if (contender_->waiting()) {
    phase_ = Phase::kDeciding;
    if (!contender_->arbitration().has_carrier() && ftd_.Now() >= read_again_) {
      read_again_ = ftd_.Now() + milliseconds(200);
      world_.store.Read(host_, ftd_.side_id());
    }
  } else if (contender_->arbitration().state() ==
             fencing::ArbitrationState::kWatching) {
    phase_ = handover_sent_ ? Phase::kAwaitingHandover : Phase::kWatching;
  }
}

void PrimarySide::OnStoreAnswer(fencing::TestAndSetOutcome outcome) {
  Do(contender_->OnAnswer(ftd_.Now(), outcome, gone_));
}

void PrimarySide::OnStoreRead(bool ok,
                              const std::optional<fencing::VmRecord>& record) {
  const std::string& host = world_.hosts[host_].name;
  if (phase_ == Phase::kDeciding && ok &&
      fencing::TakenByAnother(record, epoch_, host)) {
    return Halted({.kind = Kind::kHalt});
  }
  if (phase_ != Phase::kPausing) return;
  using Read = Result<std::optional<fencing::VmRecord>>;
  const Read read = ok ? Read(record) : Read(Status::Unavailable("store"));
  if (!fencing::VerifySameStore(read, world_.vm_name, epoch_, host).ok()) {
    return TakeBack("the store does not answer");
  }
  engine_.Ask(Engine::Command::kStop, ftd_.side_id());
}

// --- Ends.

void PrimarySide::Undo() {
  Await(Phase::kUndoing, kDefaults.farewell_timeout);
  Send({.type = Frame::Type::kBye});
  Script();
}

void PrimarySide::Alone(uint64_t epoch, const char* why) {
  if (connection_ != nullptr) world_.network.Close(connection_, host_);
  end_ = {.runs = true, .epoch = epoch, .why = why};
  phase_ = Phase::kUnprotecting;
  if (gone_) {
    return Over({.epoch = epoch,
                 .release_record = true,
                 .why = "alone, and its engine is gone"});
  }
  engine_.Ask(Engine::Command::kUnprotect, ftd_.side_id(), epoch);
}

void PrimarySide::Halted(const Action& action) {
  engine_.Die("engine killed: halted");
  const bool won = action.epoch != 0;
  Over({.epoch = won ? action.epoch : epoch_,
        .release_record = won,
        .why = "halted"});
}

void PrimarySide::VmGone() {
  switch (primary::LastWordOf(false, protection_.may_be_entitled())) {
    case primary::LastWord::kNone:
      return Over({.epoch = epoch_, .release_record = true, .why = "VM died"});
    case primary::LastWord::kBye:
      return Tell(Frame::Type::kBye);
    case primary::LastWord::kVmGone:
      Await(Phase::kDraining, kDefaults.farewell_timeout);
      return Script();
  }
}

void PrimarySide::GiveEngineUp() {
  world_.Note(host_, "gives its engine up");
  lease_.Revoke();
  engine_.SetLease(lease_.until());
  Await(Phase::kKilling, milliseconds(1000));
  engine_.Kill("engine killed: no sign of life");
}

void PrimarySide::Tell(Frame::Type word) {
  Await(Phase::kTelling, kDefaults.farewell_timeout);
  Send({.type = word, .a = engine_.committed()});
}

void PrimarySide::Over(SideEnd end) {
  if (connection_ != nullptr) world_.network.Close(connection_, host_);
  ftd_.EndSide(end);
}

// --- Planned failover.

void PrimarySide::HandOver() {
  const fencing::Instant now = ftd_.Now();
  if (phase_ == Phase::kPausing) {
    const bool drained = protection_.received() == engine_.committed();
    if (gone_ || (engine_.guest_runs() && !late())) {
      if (gone_) phase_ = Phase::kWatching;
      return;
    }
    if (!drained && !lost_ && !late()) return;
    if (!drained) return TakeBack("the log was not taken");
    // Nothing more leaves this host by what was acknowledged.
    lease_.Revoke();
    engine_.SetLease(lease_.until());
    handover_sent_ = true;
    handover_reply_.reset();
    Await(Phase::kAwaitingHandover, kDefaults.farewell_timeout);
    return Send({.type = Frame::Type::kHandover, .a = engine_.committed()});
  }
  if (handover_reply_ && *handover_reply_) {
    return Do(contender_->arbitration().OnHandedOver());
  }
  if (handover_reply_) return TakeBack("the backup refused");
  if (gone_ || peer_bye_) {
    phase_ = Phase::kWatching;
    return Look();
  }
  const Action action =
      late() ? contender_->arbitration().Suspect(now,
                                                 Suspicion::kHandoverUnanswered)
             : contender_->Step(now, world_.hosts[host_].carrier, gone_);
  if (action.kind != Kind::kNone || contender_->waiting()) Do(action);
}

void PrimarySide::TakeBack(const char* why) {
  world_.Note(host_, why);
  lease_.Restore(ftd_.Now());
  handover_asked_ = handover_sent_ = false;
  handover_reply_.reset();
  phase_ = Phase::kWatching;
  if (!gone_) engine_.Ask(Engine::Command::kStop, ftd_.side_id(), 1);
}

}  // namespace ft::sim
