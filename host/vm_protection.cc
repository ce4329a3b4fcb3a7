// SPDX-License-Identifier: GPL-2.0-or-later
//
// Protection of a VM that runs here: enable, disable, failover, and what a
// running PrimaryAgent reports. vm_protection_end.cc has its Outcome.
#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "fencing/async_test_and_set.h"
#include "host/vm.h"
#include "host/vm_verb_lock.h"
#include "logchannel/one_line.h"

namespace ft::host {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// A peer that took the VM lets our agent end at once.
constexpr seconds kEndTimeout{30};

}  // namespace

// ---- enable ----

Status Vm::CheckEnable(const std::string& peer) const {
  if (session_ != nullptr) {
    return Status::Invalid(
        fmt::format("{} is the backup here", name()),
        fmt::format("ftctl enable {} on {}", name(), condition_.peer));
  }
  if (!engine_) {
    return Status::Invalid(fmt::format("{} does not run here", name()),
                           fmt::format("ftctl start {} first", name()));
  }
  if (protection_) {
    return Status::Invalid(
        fmt::format("{} is {} already, with {} as its backup", name(),
                    Name(condition_.state), condition_.peer),
        fmt::format("ftctl disable {} first", name()));
  }
  if (peer == context_.config.host) {
    return Status::Invalid(
        fmt::format("{} cannot be the backup of its own VM {}", peer, name()),
        "name another host");
  }
  if (!context_.config.hosts.contains(peer)) {
    return Status::Invalid(
        fmt::format("{} is not a host that {} knows", peer,
                    context_.config.host),
        fmt::format("add [hosts.{}] to {}", peer, context_.config.path));
  }
  return Status::Ok();
}

primary::PrimaryOptions Vm::AgentOptions(const std::string& peer) const {
  const Config& config = context_.config;
  const PeerHost& address = config.hosts.at(peer);
  primary::PrimaryOptions options;
  options.host = config.host;
  options.peer = peer;
  options.peer_address = address.address;
  options.peer_log_port = address.log_port;
  options.own_heartbeat_port = config.heartbeat_port;
  options.epoch = condition_.epoch;
  options.vm = definition_;
  options.detector.interval = milliseconds(config.timeouts.heartbeat_ms);
  options.detector.longest_gap = 2 * options.detector.interval;
  options.detector.silence = milliseconds(config.timeouts.primary_silence_ms);
  options.engine_watchdog.silence =
      milliseconds(config.timeouts.engine_silence_ms);
  options.engine_watchdog.longest_gap = options.detector.longest_gap;
  options.compression = config.compression == Compression::kZstd;
  options.replica_rate = uint64_t{config.replica_mib_per_s} << 20;
  options.run_dir = config.run_dir;
  options.uplink_up = context_.uplink_up;
  return options;
}

std::shared_ptr<Vm::Protection> Vm::BeginProtection(const std::string& peer) {
  auto protection = std::make_shared<Protection>();
  protection->before = condition_;
  primary::PrimaryListener& listener = *this;
  protection->agent = std::make_unique<primary::PrimaryAgent>(
      context_.io, *engine_, context_.records, context_.blocking,
      context_.heartbeats, listener, AgentOptions(peer));
  protection_ = protection;
  condition_.peer = peer;
  primary_metrics_ = {};
  SetCondition(Role::kPrimary, State::kStarting, Reason::kInitializing,
               fmt::format("connecting to {}", peer));
  boost::asio::co_spawn(context_.io, RunProtection(protection),
                        boost::asio::detached);
  return protection;
}

// Holds no VerbLock while it waits: stop and disable may interrupt.
Vm::Awaitable<Status> Vm::Enable(std::string peer, milliseconds timeout,
                                 Progress progress) {
  auto self = shared_from_this();
  auto check = [this, &peer] {
    Status status = RefuseBusy("enable");
    return status.ok() ? CheckEnable(peer) : status;
  };
  if (Status status = check(); !status.ok()) co_return status;
  // A store that cannot decide is found now rather than in the failover.
  Status probed = co_await context_.records.Probe();
  if (!probed.ok()) co_return probed;
  if (Status status = check(); !status.ok()) co_return status;
  std::shared_ptr<Protection> protection = BeginProtection(peer);
  protection->progress = std::move(progress);
  auto settled = [this, &protection] {
    return protection->outcome.has_value() ||
           condition_.state == State::kProtected;
  };
  auto deadline = steady_clock::now() + timeout;
  bool in_time = co_await changed_.Wait(settled, deadline);
  // A replica takes as long as it takes.
  while (!in_time && protection->moved + timeout > deadline) {
    deadline = protection->moved + timeout;
    in_time = co_await changed_.Wait(settled, deadline);
  }
  protection->progress = nullptr;
  if (!in_time) {
    std::string text =
        fmt::format("{} was not protected within {} s{} ({})", name(),
                    static_cast<double>(timeout.count()) / 1000,
                    protection->moved == steady_clock::time_point{}
                        ? ""
                        : " after its replica got further",
                    condition_.why);
    Status ended = co_await EndProtection("enable took too long");
    if (!ended.ok()) co_return ended;
    co_return Status::Unavailable(text, "see ftctl events, or raise --timeout");
  }
  if (!protection->outcome) co_return Status::Ok();
  const primary::Outcome& outcome = *protection->outcome;
  if (!outcome.status.ok()) co_return outcome.status;
  co_return Status::Failed(
      fmt::format("{} is not protected: {}", name(), outcome.why),
      fmt::format("ftctl events {} has the story", name()));
}

// ---- while it runs ----

void Vm::OnPrimaryState(primary::State state, const std::string& why) {
  if (!protection_) {  // Recover() speaks to the same listener
    AddEvent("recovery", why);
    return;
  }
  switch (state) {
    case primary::State::kStarting:
      SetCondition(Role::kPrimary, State::kStarting, Reason::kInitializing,
                   why);
      break;
    case primary::State::kProtected:
      SetCondition(Role::kPrimary, State::kProtected, Reason::kNone, why);
      break;
    case primary::State::kDeciding:
    case primary::State::kHandingOver:
      // Still protected as far as clients can tell; outputs wait.
      SetCondition(Role::kPrimary, State::kProtected, Reason::kLostConnection,
                   why);
      break;
  }
  if (protection_->progress) protection_->progress(primary::Name(state), why);
}

void Vm::OnPrimaryEvent(const std::string& what) {
  AddEvent("protection", what);
  if (protection_ && protection_->progress) {
    protection_->progress("event", what);
  }
}

// Too often to be written down each time.
void Vm::OnCloneProgress(const std::string& what) {
  if (!protection_) return;
  protection_->moved = steady_clock::now();
  condition_.why = OneLine(what);
  if (protection_->progress) protection_->progress("cloning", what);
}

Vm::Awaitable<void> Vm::RunProtection(std::shared_ptr<Protection> protection) {
  auto self = shared_from_this();
  protection->outcome = co_await protection->agent->Run();
  primary_metrics_ = protection->agent->metrics();
  protection_.reset();
  FinishProtection(*protection);
  changed_.NotifyAll();
}

// ---- disable, failover ----

Vm::Awaitable<Status> Vm::Disable() {
  auto self = shared_from_this();
  if (session_ != nullptr) {
    co_return Status::Invalid(
        fmt::format("{} is the backup here", name()),
        fmt::format("ftctl disable {} on {}", name(), condition_.peer));
  }
  if (Status status = RefuseBusy("disable"); !status.ok()) co_return status;
  if (!engine_) {
    co_return Status::Invalid(fmt::format("{} does not run here", name()),
                              "ftctl status shows what does");
  }
  VerbLock lock(*this, "disable");
  if (protection_) {
    Status ended = co_await EndProtection("disabled by the operator");
    if (!ended.ok()) co_return ended;
  }
  if (!engine_) {
    co_return Status::Failed(fmt::format("{} does not run here any more: {}",
                                         name(), condition_.why),
                             "see ftctl status on its other host");
  }
  condition_.peer.clear();
  SetCondition(Role::kPrimary, State::kDisabled, Reason::kUserAction,
               "runs unprotected, as the operator wants it");
  co_return Status::Ok();
}

Vm::Awaitable<Status> Vm::Failover() {
  auto self = shared_from_this();
  if (session_ != nullptr) {
    co_return Status::Invalid(
        fmt::format("{} is the backup here", name()),
        fmt::format("ftctl failover {} on {}", name(), condition_.peer));
  }
  if (Status status = RefuseBusy("failover"); !status.ok()) co_return status;
  if (!protection_ || condition_.state != State::kProtected) {
    co_return Status::Invalid(
        fmt::format("{} is {}, so no backup can take it", name(),
                    Name(condition_.state)),
        fmt::format("ftctl enable {} --backup HOST first", name()));
  }
  VerbLock lock(*this, "failover");
  std::shared_ptr<Protection> protection = protection_;
  Status status = co_await protection->agent->Failover();
  if (!status.ok()) co_return status;
  // The peer has it; ours is a moment from its end.
  co_await changed_.Wait(
      [&protection] { return protection->outcome.has_value(); },
      steady_clock::now() + kEndTimeout);
  co_return Status::Ok();
}

Vm::Awaitable<void> Vm::LeaveRunning() {
  auto self = shared_from_this();
  if (!protection_) co_return;
  Status status = co_await EndProtection("ftd stops");
  if (!status.ok()) AddEvent("protection", status.ToString());
  if (engine_ && condition_.state == State::kDisabled) {
    SetCondition(Role::kPrimary, State::kNeedBackup, Reason::kUserAction,
                 "ftd was stopped; the VM runs unprotected");
  }
}

}  // namespace ft::host
