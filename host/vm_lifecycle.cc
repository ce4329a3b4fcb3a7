// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a VM begins and ends on this host, and what a restarted ftd makes of
// what it finds. The record of the test-and-set is read first every time: it
// alone says whose VM this is.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>

#include "fencing/async_test_and_set.h"
#include "host/engine_launcher.h"
#include "host/vm.h"
#include "host/vm_verb_lock.h"

namespace ft::host {
namespace {

std::string HeldBy(const fencing::VmRecord& record) {
  return fmt::format("test-and-set for epoch {} is held by {}", record.epoch,
                     record.released() ? "nobody" : record.holder);
}

}  // namespace

// ---- start ----

Vm::Awaitable<Status> Vm::AcquireForStart(bool disks_are_current) {
  const std::string& host = context_.config.host;
  auto read = co_await context_.records.Read(name());
  if (!read.ok()) co_return read.status();
  uint64_t epoch = 0;
  if (read->has_value()) {
    const fencing::VmRecord& record = **read;
    if (!record.released() && record.holder != host) {
      co_return Status::Invalid(
          fmt::format("{} is live on {} (epoch {})", name(), record.holder,
                      record.epoch),
          fmt::format("ftctl stop {} on {} first", name(), record.holder));
    }
    epoch = record.epoch;
  }
  // Not the store that gave us our epoch: what it says of the VM is nothing,
  // and elsewhere the VM may be live.
  if (epoch < condition_.epoch) {
    co_return Status::Unavailable(
        fmt::format("the test-and-set store knows epoch {} of {}, which was "
                    "in epoch {} here",
                    epoch, name(), condition_.epoch),
        fmt::format("mount or restore the store that it was started with; if "
                    "that is gone for good, ftctl undefine {} and define it "
                    "again",
                    name()));
  }
  if (HasPrivateDisks(definition_) && !disks_are_current) {
    Status current =
        CheckDisksAreCurrent(disks_, *read, name(), host, condition_.peer);
    if (!current.ok()) co_return current;
  }
  auto answer = co_await context_.records.Acquire(name(), epoch, host);
  if (answer.outcome != fencing::TestAndSetOutcome::kAcquired) {
    co_return answer.error;
  }
  owns_record_ = true;
  if (disks_are_current) {
    AddEvent("start", "the operator says that its private disks are current");
  }
  SetLive(answer.record->epoch);
  Persist();
  co_return Status::Ok();
}

Vm::Awaitable<Status> Vm::Start(bool disks_are_current) {
  auto self = shared_from_this();
  if (Status status = RefuseBusy("start"); !status.ok()) co_return status;
  if (engine_) {
    co_return Status::Invalid(fmt::format("{} runs already", name()),
                              fmt::format("ftctl status {} shows how", name()));
  }
  if (session_ != nullptr) {
    co_return Status::Invalid(
        fmt::format("{} is replayed here as the backup of {}", name(),
                    condition_.peer),
        fmt::format("ftctl failover {} on {} moves it here", name(),
                    condition_.peer));
  }
  if (disks_are_current && !HasPrivateDisks(definition_)) {
    co_return Status::Invalid(
        fmt::format("{} has no private disks", name()),
        fmt::format("ftctl start {} without --disks-are-current", name()));
  }
  VerbLock lock(*this, "start");
  Status status = CheckNoStrayEngine();
  if (status.ok()) status = context_.launcher.Check(definition_);
  if (status.ok()) status = co_await AcquireForStart(disks_are_current);
  if (!status.ok()) co_return status;
  auto engine = co_await context_.launcher.Launch(definition_, condition_.epoch,
                                                  std::nullopt);
  if (!engine.ok()) {
    Status released = co_await ReleaseRecord();
    if (!released.ok()) AddEvent("record", released.ToString());
    co_return engine.status();
  }
  TakeEngine(std::move(*engine));
  condition_.peer.clear();
  failover_.reset();
  primary_metrics_ = {};
  SetCondition(Role::kPrimary, State::kDisabled, Reason::kNone,
               "started, runs unprotected");
  co_return Status::Ok();
}

// ---- stop ----

Vm::Awaitable<Status> Vm::ReleaseRecord() {
  if (!owns_record_) co_return Status::Ok();
  Status status = co_await context_.records.Release(name(), condition_.epoch,
                                                    context_.config.host);
  // kInvalid: the record is not ours any more, so there is nothing to do.
  if (status.ok() || status.code() == Code::kInvalid) {
    owns_record_ = false;
    Persist();
    co_return Status::Ok();
  }
  co_return status;
}

Vm::Awaitable<Status> Vm::Stop() {
  auto self = shared_from_this();
  if (session_ != nullptr) {
    co_return Status::Invalid(
        fmt::format("{} is the backup here", name()),
        fmt::format("ftctl stop {} on {}", name(), condition_.peer));
  }
  if (Status status = RefuseBusy("stop"); !status.ok()) co_return status;
  if (!engine_ && !owns_record_) {
    co_return Status::Invalid(fmt::format("{} does not run here", name()),
                              "ftctl status shows what does");
  }
  if (Status status = CheckNoStrayEngine(); !status.ok()) co_return status;
  VerbLock lock(*this, "stop");
  if (protection_) {
    Status ended = co_await EndProtection("stopped by the operator");
    if (!ended.ok()) co_return ended;
  }
  if (engine_) {
    engine_is_stopping_ = true;
    co_await engine_->Quit(
        std::chrono::milliseconds(context_.config.timeouts.stop_ms));
    DropEngine();
  }
  Status released = co_await ReleaseRecord();
  SetCondition(Role::kNone, State::kDisabled, Reason::kUserAction,
               "stopped by the operator");
  if (released.ok()) co_return released;
  co_return Status::Failed(
      fmt::format("{} is stopped, but its record stays with {}: {}", name(),
                  context_.config.host, released.message()),
      fmt::format("ftctl stop {} again when {} answers", name(),
                  fencing::Describe(context_.config.store)));
}

// The engine ended by itself while nobody protected it: nobody else can be
// live, so the record is free.
Vm::Awaitable<void> Vm::HandleEngineExit(std::string why) {
  auto self = shared_from_this();
  if (!engine_ || protection_ || engine_is_stopping_) co_return;
  bool by_guest = guest_shut_down_;
  DropEngine();
  if (by_guest) {
    SetCondition(Role::kNone, State::kDisabled, Reason::kNone,
                 "the guest shut down");
  } else {
    SetCondition(Role::kNone, State::kFailed, Reason::kNone, why);
  }
  Status status = co_await ReleaseRecord();
  if (!status.ok()) AddEvent("record", status.ToString());
}

// ---- recovery ----

Vm::Awaitable<void> Vm::Recover() {
  auto self = shared_from_this();
  VerbLock lock(*this, "recovery");
  context_.launcher.RemoveReplicaSums(name());
  VmCondition before = condition_;
  pid_t pid = context_.launcher.LivePid(name(), std::exchange(saved_pid_, 0));
  if (pid == 0) co_return co_await RecoverWithoutEngine(before);
  auto engine = co_await context_.launcher.Attach(definition_, pid);
  if (!engine.ok()) {
    // It may be serving clients. Its files and the record stay as they are.
    SetCondition(Role::kNone, State::kFailed, Reason::kNone,
                 fmt::format("engine {} lives and cannot be commanded: {}", pid,
                             engine.status().message()));
    co_return;
  }
  // Asked of the engine, not of state.json: a backup may have gone live
  // without ftd living to write it down.
  if ((*engine)->ring().direction() == logchannel::Direction::kReplay) {
    co_await (*engine)->Quit();
    context_.launcher.CleanUp(definition_, **engine);
    SetCondition(Role::kNone, State::kHalted, Reason::kLostConnection,
                 "ftd was restarted; its backup was given up");
    co_return;
  }
  co_await RecoverLiveEngine(std::move(*engine), before);
}

Vm::Awaitable<void> Vm::RecoverLiveEngine(
    std::unique_ptr<replay::Engine> engine, VmCondition before) {
  bool held = engine->ring().holding();
  TakeEngine(std::move(engine));
  engine_is_stopping_ = true;  // an exit is Recover's to explain
  AddEvent("recovery", held ? "engine found; it holds outputs, so the record "
                              "decides"
                            : "engine found, reading the record");
  // A named object: g++ 12 destroys a braced temporary twice when it is an
  // argument inside co_await.
  primary::RecoverOptions options{.vm = name(),
                                  .host = context_.config.host,
                                  .epoch = before.epoch,
                                  .uplink_up = context_.uplink_up};
  primary::PrimaryListener& listener = *this;
  primary::Outcome outcome = co_await primary::Recover(
      *engine_, context_.records, listener, std::move(options));
  SetEpoch(outcome.epoch);
  engine_is_stopping_ = false;
  if (outcome.end == primary::End::kVmGone) {
    DropEngine();
    co_return co_await RecoverWithoutEngine(before);
  }
  if (outcome.end != primary::End::kAlone) {
    owns_record_ = false;
    DropEngine();
    SetCondition(Role::kNone, State::kHalted, Reason::kFenced, outcome.why);
    co_return;
  }
  owns_record_ = true;
  SetLive(outcome.epoch);
  if (!engine_->running()) co_return co_await HandleEngineExit("engine ended");
  bool wanted =
      before.state == State::kStarting || before.state == State::kProtected;
  if (held || wanted) {
    SetCondition(Role::kPrimary, State::kNeedBackup, Reason::kLostConnection,
                 outcome.why);
  } else {
    SetCondition(
        Role::kPrimary,
        before.role == Role::kPrimary ? before.state : State::kDisabled,
        before.reason, before.why);
  }
}

// Nothing runs. What this host last was decides what that means.
Vm::Awaitable<void> Vm::RecoverWithoutEngine(VmCondition before) {
  context_.launcher.RemoveLeftovers(definition_);
  if (before.role == Role::kBackup) {
    SetCondition(Role::kNone, State::kHalted, Reason::kLostConnection,
                 "ftd was restarted; its backup is gone");
    co_return;
  }
  if (before.role != Role::kPrimary) co_return;
  SetCondition(Role::kNone, State::kFailed, Reason::kNone,
               "the engine ended while ftd was away");
  auto read = co_await context_.records.Read(name());
  if (!read.ok()) {
    AddEvent("record", read.status().ToString());
    co_return;
  }
  if (!read->has_value() || (*read)->holder == context_.config.host) co_return;
  owns_record_ = false;
  SetEpoch((*read)->epoch);
  SetCondition(Role::kNone, State::kHalted, Reason::kFenced, HeldBy(**read));
}

}  // namespace ft::host
