// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/backup_session.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <functional>

#include "host/archive_ring.h"
#include "host/engine_launcher.h"
#include "host/offload.h"
#include "host/state_store.h"
#include "host/vm.h"
#include "host/vm_registry.h"
#include "logchannel/connection.h"

namespace ft::host {
namespace {

// A ring is 32 MiB; a disk that takes longer keeps nothing.
constexpr std::chrono::milliseconds kKeepLogTimeout{10000};
// Sparse images; the primary waits 15 s for the answer to its Hello.
constexpr std::chrono::milliseconds kMakeTimeout{8000};

backup::BackupOptions AgentOptions(const HostContext& context) {
  const Config& config = context.config;
  backup::BackupOptions options;
  options.host = config.host;
  options.own_heartbeat_port = config.heartbeat_port;
  options.detector.interval =
      std::chrono::milliseconds(config.timeouts.heartbeat_ms);
  options.detector.longest_gap = 2 * options.detector.interval;
  options.detector.silence =
      std::chrono::milliseconds(config.timeouts.silence_ms);
  options.engine_watchdog.silence =
      std::chrono::milliseconds(config.timeouts.engine_silence_ms);
  options.engine_watchdog.longest_gap = options.detector.longest_gap;
  options.compression = config.compression == Compression::kZstd;
  options.uplink_up = context.uplink_up;
  return options;
}

}  // namespace

BackupSession::BackupSession(const HostContext& context, VmRegistry& registry,
                             std::shared_ptr<logchannel::Connection> connection,
                             logchannel::wire::Hello hello)
    : context_(context),
      registry_(registry),
      primary_host_(hello.host()),
      epoch_(hello.epoch()),
      peer_(connection->peer()) {
  backup::BackupHost& host = *this;
  backup::BackupListener& self = *this;
  agent_ = std::make_unique<backup::BackupAgent>(
      context.io, host, context.records, context.blocking, context.heartbeats,
      self, AgentOptions(context), std::move(connection), std::move(hello));
}

BackupSession::~BackupSession() = default;

boost::asio::awaitable<void> BackupSession::Run() {
  backup::Outcome outcome = co_await agent_->Run();
  ReturnClonePort();
  co_await Finish(outcome);
}

boost::asio::awaitable<void> BackupSession::Finish(
    const backup::Outcome& outcome) {
  if (!vm_) {
    spdlog::warn("log channel: {} ({}) was refused: {}", peer_, primary_host_,
                 outcome.status.ok() ? outcome.why : outcome.status.ToString());
    co_return;
  }
  if (outcome.end == backup::End::kLive) {
    vm_->AdoptLive(agent_->TakeEngine(), outcome);
    co_return;
  }
  const bool refused = outcome.end == backup::End::kRefused;
  if (refused) {
    for (const std::string& path : made_) unlink(path.c_str());
  }
  vm_->EndBackup(outcome);
  // A replica that somebody began to write must be remembered.
  if (vm_is_new_ && !was_protected_ && (refused || !is_kept_)) {
    co_await ForgetVm();
  }
}

boost::asio::awaitable<void> BackupSession::ForgetVm() {
  if (!is_kept_) {
    registry_.Forget(vm_->name());
    co_return;
  }
  Status forgotten = co_await registry_.Undefine(vm_->name());
  if (!forgotten.ok()) spdlog::error(forgotten.ToString());
}

// Before the first byte of this host's disks changes it is durable that they
// are no VM's of its own any more.
boost::asio::awaitable<Status> BackupSession::PrepareReplicas(
    const std::vector<backup::Replica>& replicas) {
  if (replicas.empty()) co_return Status::Ok();
  Status marked = co_await vm_->BeginReplica();
  if (!marked.ok()) co_return marked;
  if (vm_is_new_) registry_.Keep(*vm_);
  is_kept_ = true;
  std::function<Result<std::vector<std::string>>()> make = [replicas] {
    return backup::MakeMissing(replicas);
  };
  auto made = co_await Offload<Result<std::vector<std::string>>>(
      context_.blocking, kMakeTimeout, std::move(make));
  if (!made) {
    co_return Status::Unavailable(
        fmt::format("{} has not made its replicas in time",
                    context_.config.host),
        "check the file systems of its private disks");
  }
  if (!made->ok()) co_return made->status();
  made_ = std::move(*made).value();
  for (const std::string& path : made_) {
    vm_->AddEvent("backup", fmt::format("made the image {}", path));
  }
  co_return Status::Ok();
}

boost::asio::awaitable<Result<backup::LaunchedBackup>>
BackupSession::LaunchBackup(const replay::VmDefinition& definition,
                            const std::vector<backup::Replica>& replicas) {
  Status status = replay::Validate(definition);
  // The agent has looked at replicas; those that are missing are made below.
  replay::VmDefinition rest = definition;
  std::erase_if(rest.disks, [](const replay::Disk& disk) {
    return disk.mode == replay::kPrivate;
  });
  if (status.ok()) status = context_.launcher.Check(rest);
  if (!status.ok()) co_return status;
  auto port = context_.launcher.TakeClonePort();
  if (!port.ok()) co_return port.status();
  clone_port_ = *port;
  vm_is_new_ = registry_.Find(definition.name) == nullptr;
  auto claimed =
      registry_.ClaimForBackup(this, definition, primary_host_, epoch_);
  if (!claimed.ok()) {
    ReturnClonePort();
    co_return claimed.status();
  }
  vm_ = *claimed;
  status = co_await PrepareReplicas(replicas);
  if (!status.ok()) co_return status;
  auto engine =
      co_await context_.launcher.Launch(definition, epoch_, clone_port_);
  if (!engine.ok()) co_return engine.status();
  backup::LaunchedBackup launched;
  launched.engine = std::move(*engine);
  launched.clone_port = clone_port_;
  co_return launched;
}

void BackupSession::ReturnClonePort() {
  if (clone_port_ != 0) context_.launcher.ReturnClonePort(clone_port_);
  clone_port_ = 0;
}

bool BackupSession::IsLiveHere(const std::string& vm) {
  return registry_.HasEngine(vm);
}

boost::asio::awaitable<void> BackupSession::KeepLog(const std::string& vm,
                                                    backup::LogToKeep log) {
  std::function<Status()> copy = [vm, log = std::move(log),
                                  from = context_.launcher.RingPath(vm),
                                  to = context_.store.divergence_path(vm)] {
    return ArchiveRing(from, vm, log, to);
  };
  auto kept = co_await Offload<Status>(context_.blocking, kKeepLogTimeout,
                                       std::move(copy));
  if (!kept) {
    OnBackupEvent("the log of the divergence was not written in time");
  } else {
    OnBackupEvent(kept->ok() ? "the log of the divergence is kept in " +
                                   context_.store.divergence_path(vm)
                             : kept->message());
  }
}

void BackupSession::BackupEngineGone(const std::string&) {
  if (vm_) context_.launcher.RemoveLeftovers(vm_->definition());
}

void BackupSession::OnBackupState(backup::State state, const std::string& why) {
  if (!vm_) return;
  switch (state) {
    case backup::State::kStarting:
      vm_->OnBackupCondition(State::kStarting, Reason::kInitializing, why);
      break;
    case backup::State::kProtected:
      if (!was_protected_) registry_.Keep(*vm_);
      was_protected_ = true;
      vm_->OnBackupCondition(State::kProtected, Reason::kNone, why);
      break;
    case backup::State::kDeciding:
    case backup::State::kGoingLive:
      // Still the backup; what it waits for is in `why`.
      vm_->OnBackupCondition(State::kProtected, Reason::kLostConnection, why);
      break;
  }
}

void BackupSession::OnCloneProgress(const std::string& what) {
  if (vm_) vm_->OnBackupProgress(what);
}

void BackupSession::OnBackupEvent(const std::string& what) {
  if (vm_) {
    vm_->AddEvent("backup", what);
  } else {
    spdlog::info("log channel: {} ({}): {}", peer_, primary_host_, what);
  }
}

}  // namespace ft::host
