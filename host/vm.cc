// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "host/backup_session.h"
#include "host/engine_launcher.h"
#include "host/offload.h"
#include "logchannel/check.h"
#include "logchannel/one_line.h"

namespace ft::host {
namespace {

// A state file is a few hundred bytes.
constexpr std::chrono::seconds kSaveTimeout{10};

}  // namespace

Vm::Vm(const HostContext& context, replay::VmDefinition definition,
       std::optional<SavedState> saved)
    : context_(context),
      definition_(std::move(definition)),
      changed_(context.io.get_executor()) {
  if (saved) {
    condition_ = saved->condition;
    owns_record_ = saved->owns_record;
    disks_ = saved->disks;
    saved_pid_ = saved->engine_pid;
  } else {
    condition_.why = "defined, never started";
    condition_.since_ms = WallClockMs();
  }
}

Vm::~Vm() {
  if (engine_) engine_->RemoveListener(this);
}

// ---- condition ----

void Vm::SetCondition(Role role, State state, Reason reason,
                      const std::string& why) {
  bool changed = role != condition_.role || state != condition_.state ||
                 reason != condition_.reason;
  if (changed) {
    std::string text =
        fmt::format("{} {} -> {} {}", Name(condition_.role),
                    Name(condition_.state), Name(role), Name(state));
    if (reason != Reason::kNone) text += fmt::format(" ({})", Name(reason));
    AddEvent("state", text + ": " + why);
    condition_.since_ms = WallClockMs();
  }
  condition_.role = role;
  condition_.state = state;
  condition_.reason = reason;
  condition_.why = OneLine(why);  // a peer's words may be in it
  Persist();
  changed_.NotifyAll();
}

void Vm::SetEpoch(uint64_t epoch) {
  if (epoch > condition_.epoch) condition_.epoch = epoch;
}

void Vm::SetLive(uint64_t epoch) {
  SetEpoch(epoch);
  disks_ = {.live_epoch = epoch};
}

SavedState Vm::Saved() const {
  SavedState saved;
  saved.condition = condition_;
  saved.owns_record = owns_record_;
  saved.disks = disks_;
  saved.engine_pid = engine_ ? engine_->process().pid() : 0;
  saved.holding = engine_ && engine_->ring().holding();
  return saved;
}

void Vm::Persist() {
  boost::asio::post(context_.save_strand,
                    [&store = context_.store, vm = name(), saved = Saved()] {
                      Status status = store.SaveState(vm, saved);
                      if (!status.ok()) spdlog::error(status.ToString());
                    });
}

void Vm::AddEvent(const std::string& kind, const std::string& text) {
  context_.events.Add(
      {.vm = name(), .epoch = condition_.epoch, .kind = kind, .text = text});
}

Status Vm::RefuseBusy(const std::string& verb) const {
  if (verb_.empty()) return Status::Ok();
  return Status::Invalid(
      fmt::format("{} is busy with {}, so {} cannot begin", name(), verb_,
                  verb),
      fmt::format("try again when ftctl status {} shows that it is done",
                  name()));
}

Status Vm::CheckRedefinable() const {
  if (Status status = RefuseBusy("define"); !status.ok()) return status;
  if (!has_engine()) return Status::Ok();
  return Status::Invalid(fmt::format("{} runs here", name()),
                         fmt::format("ftctl stop {} first", name()));
}

Status Vm::CheckNoStrayEngine() const {
  pid_t pid = engine_ ? 0 : context_.launcher.LivePid(name(), 0);
  if (pid == 0) return Status::Ok();
  return Status::Invalid(
      fmt::format("{}: engine {} of an earlier ftd lives and cannot be "
                  "commanded",
                  name(), pid),
      fmt::format("end it with kill -9 {}", pid));
}

Status Vm::CheckForgettable() const {
  if (Status status = RefuseBusy("undefine"); !status.ok()) return status;
  if (!has_engine() && !owns_record_) return Status::Ok();
  return Status::Invalid(
      has_engine()
          ? fmt::format("{} runs here as {}", name(), Name(condition_.role))
          : fmt::format("the record of {} is this host's", name()),
      fmt::format("ftctl stop {} first", name()));
}

// ---- engine ----

void Vm::TakeEngine(std::unique_ptr<replay::Engine> engine) {
  FT_CHECK(engine_ == nullptr) << name() << " has an engine already";
  engine_ = std::move(engine);
  engine_->AddListener(this);
  engine_is_stopping_ = false;
  guest_shut_down_ = false;
}

void Vm::DropEngine() {
  if (!engine_) return;
  engine_->RemoveListener(this);
  context_.launcher.CleanUp(definition_, *engine_);
  engine_.reset();
}

void Vm::OnShutdown(const std::string& reason) {
  guest_shut_down_ = true;
  AddEvent("guest", "the guest shut down: " + reason);
}

void Vm::OnExit(const std::string& why) {
  // While a protection runs, its Outcome says what the exit means; and
  // nobody may destroy an engine from inside its callback.
  if (protection_ || engine_is_stopping_) return;
  boost::asio::co_spawn(context_.io, HandleEngineExit(why),
                        boost::asio::detached);
}

// ---- backup ----

Status Vm::BeginBackup(BackupSession* session, const replay::VmDefinition& vm,
                       const std::string& peer, uint64_t epoch) {
  if (Status status = RefuseBusy("backup"); !status.ok()) return status;
  if (has_engine()) {
    return Status::Invalid(
        fmt::format("{} has {} already as {}", context_.config.host, name(),
                    Name(condition_.role)),
        fmt::format("ftctl stop {} there first", name()));
  }
  if (Status status = CheckNoStrayEngine(); !status.ok()) return status;
  session_ = session;
  before_backup_ = condition_;
  disks_before_ = disks_;
  definition_before_ = definition_;
  definition_ = vm;
  condition_.peer = peer;
  owns_record_ = false;
  SetEpoch(epoch);
  failover_.reset();
  primary_metrics_ = {};
  SetCondition(Role::kBackup, State::kStarting, Reason::kInitializing,
               fmt::format("receiving the clone from {}", peer));
  return Status::Ok();
}

// On the strand, so that no earlier state comes after it.
Vm::Awaitable<Status> Vm::BeginReplica() {
  auto self = shared_from_this();
  disks_.replica_of = condition_.peer;
  AddEvent("backup", fmt::format("its private disks here are a replica of {}'s "
                                 "from now on",
                                 condition_.peer));
  std::function<Status()> save = [&store = context_.store, vm = name(),
                                  saved = Saved()] {
    return store.SaveState(vm, saved);
  };
  auto done = co_await Offload<Status>(context_.save_strand, kSaveTimeout,
                                       std::move(save));
  if (done) co_return *done;
  co_return Status::Unavailable(
      fmt::format("state_dir of {} does not answer", context_.config.host),
      "check its file system");
}

void Vm::OnBackupProgress(const std::string& why) {
  if (session_ != nullptr) condition_.why = OneLine(why);
}

void Vm::OnBackupCondition(State state, Reason reason, const std::string& why) {
  if (session_ == nullptr) return;
  SetCondition(Role::kBackup, state, reason, why);
}

void Vm::EndBackup(const backup::Outcome& outcome) {
  session_ = nullptr;
  if (outcome.end == backup::End::kRefused) {
    definition_ = definition_before_;
    disks_ = disks_before_;
    condition_.epoch = before_backup_.epoch;
    condition_.peer = before_backup_.peer;
    SetCondition(before_backup_.role, before_backup_.state,
                 before_backup_.reason, outcome.why);
    return;
  }
  SetEpoch(outcome.epoch);
  if (outcome.end == backup::End::kFailed) {
    owns_record_ = true;
    SetCondition(Role::kNone, State::kFailed, Reason::kNone, outcome.why);
    return;
  }
  Reason reason = ReasonFromName(outcome.reason);
  bool by_operator = reason == Reason::kUserAction;
  SetCondition(Role::kNone, by_operator ? State::kDisabled : State::kHalted,
               reason, outcome.why);
}

void Vm::AdoptLive(std::unique_ptr<replay::Engine> engine,
                   const backup::Outcome& outcome) {
  session_ = nullptr;
  owns_record_ = true;
  SetLive(outcome.epoch);
  TakeEngine(std::move(engine));
  failover_ = outcome.times;
  primary_metrics_ = {};
  SetCondition(Role::kPrimary, State::kNeedBackup,
               ReasonFromName(outcome.reason), outcome.why);
}

}  // namespace ft::host
