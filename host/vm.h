// SPDX-License-Identifier: GPL-2.0-or-later
//
// Vm: one virtual machine as this host knows it. It owns the engine while
// the VM runs here, the agent that protects it, and the condition that
// `ftctl status` shows.
//
//                 start                  enable
//   not-configured ---> disabled(runs) -----------> starting
//     disabled    ^         ^  ^                     |  | not started:
//                 |    stop |  | disable    caught up|  | back to what it was
//                 +---------+  |                     v  |
//                              +--------------- protected
//                              |                     | backup lost, won
//                              |      enable         v
//                              +------<------- need-backup(reason)
//
//   protected, lost test-and-set ............... halted(fenced)
//   protected, failover ........................ halted(user-action)
//   the engine died while nobody protected it .. failed
//   a primary's Hello (BackupSession) .......... starting, protected as
//       backup; go live: primary, need-backup(host-failure)
//
// Verbs are coroutines and end when the thing is done. One verb at a time per
// VM: a second one is refused with the name of the first (`stop` and
// `disable` may interrupt an `enable` that waits).
//
// Single-threaded, the io_context's. Shared ownership: coroutines keep the
// Vm alive that they work on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backup/backup_agent.h"
#include "host/condition.h"
#include "host/host_context.h"
#include "host/state_store.h"
#include "host/vm_state.h"
#include "primary/primary_agent.h"
#include "replay/engine.h"
#include "replay/vm_definition.h"

namespace ft::host {

class BackupSession;

class Vm : public std::enable_shared_from_this<Vm>,
           private primary::PrimaryListener,
           private replay::EngineListener {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  // Told what a long verb is doing: a word ("cloning") and a line.
  using Progress =
      std::function<void(const std::string& stage, const std::string& text)>;

  // `saved` is what state.json knew. Does nothing yet; see Recover().
  Vm(const HostContext& context, replay::VmDefinition definition,
     std::optional<SavedState> saved);
  // Leaves the engine running.
  ~Vm() override;
  Vm(const Vm&) = delete;
  Vm& operator=(const Vm&) = delete;

  const std::string& name() const { return definition_.name; }
  const replay::VmDefinition& definition() const { return definition_; }
  const VmCondition& condition() const { return condition_; }
  // An engine of this VM lives on this host, in any role.
  bool has_engine() const { return engine_ != nullptr || session_ != nullptr; }

  // ---- verbs ----

  // Refused when its private disks here are not what it last ran from, unless
  // the operator says that they are.
  Awaitable<Status> Start(bool disks_are_current);
  Awaitable<Status> Stop();
  // Ends when the VM is protected, or cannot be, or `timeout` is over since it
  // began, or since a replica last got further (then the attempt is undone).
  Awaitable<Status> Enable(std::string peer, std::chrono::milliseconds timeout,
                           Progress progress);
  Awaitable<Status> Disable();
  Awaitable<Status> Failover();
  // Ok when Redefine() may follow: no engine lives.
  Status CheckRedefinable() const;
  void Redefine(replay::VmDefinition definition) {
    definition_ = std::move(definition);
  }
  // Ok when nothing would be lost by forgetting this VM.
  Status CheckForgettable() const;
  Awaitable<boost::json::object> Describe();

  // ---- ftd's own life ----

  // At start: finds the engine that an earlier ftd left and decides by the
  // record whether it may run on. Ends when that is decided.
  Awaitable<void> Recover();
  // At exit: ends protection in an orderly way; the VM runs on.
  Awaitable<void> LeaveRunning();

  // ---- BackupSession's ----

  // Refused while anything of this VM lives here. On success the VM is this
  // session's until EndBackup() or AdoptLive().
  Status BeginBackup(BackupSession* session, const replay::VmDefinition& vm,
                     const std::string& peer, uint64_t epoch);
  // This host's private disks are from now on a replica of its peer's; ok when
  // that is durable. Taken back if the backup ends with kRefused.
  Awaitable<Status> BeginReplica();
  void OnBackupCondition(State state, Reason reason, const std::string& why);
  void OnBackupProgress(const std::string& why);
  void EndBackup(const backup::Outcome& outcome);
  // The backup went live: the engine is ours, unprotected.
  void AdoptLive(std::unique_ptr<replay::Engine> engine,
                 const backup::Outcome& outcome);
  void AddEvent(const std::string& kind, const std::string& text);

 private:
  // One protection of the running VM: alive from enable to its Outcome.
  struct Protection {
    std::unique_ptr<primary::PrimaryAgent> agent;
    std::optional<primary::Outcome> outcome;
    VmCondition before;  // what to return to when it never came to be
    Progress progress;   // of the `enable` that waits; may be empty
    // A replica last got further.
    std::chrono::steady_clock::time_point moved{};
  };
  // Claims the VM for a verb while it lives.
  class VerbLock;

  // primary::PrimaryListener, replay::EngineListener
  void OnPrimaryState(primary::State state, const std::string& why) override;
  void OnPrimaryEvent(const std::string& what) override;
  void OnCloneProgress(const std::string& what) override;
  void OnShutdown(const std::string& reason) override;
  void OnExit(const std::string& why) override;

  // vm.cc
  void SetCondition(Role role, State state, Reason reason,
                    const std::string& why);
  void SetEpoch(uint64_t epoch);
  // The VM lives here, and holds this epoch.
  void SetLive(uint64_t epoch);
  SavedState Saved() const;
  void Persist();
  void TakeEngine(std::unique_ptr<replay::Engine> engine);
  // The process has ended: forgets the engine and removes its files.
  void DropEngine();
  Status RefuseBusy(const std::string& verb) const;
  // Refused while an engine lives that Recover() could not attach to: nobody
  // may start a second one, and its record must not be freed.
  Status CheckNoStrayEngine() const;

  // vm_lifecycle.cc
  Awaitable<Status> AcquireForStart(bool disks_are_current);
  Awaitable<Status> ReleaseRecord();
  Awaitable<void> HandleEngineExit(std::string why);
  Awaitable<void> RecoverLiveEngine(std::unique_ptr<replay::Engine> engine,
                                    VmCondition before);
  Awaitable<void> RecoverWithoutEngine(VmCondition before);

  // vm_protection.cc
  Status CheckEnable(const std::string& peer) const;
  primary::PrimaryOptions AgentOptions(const std::string& peer) const;
  Awaitable<void> RunProtection(std::shared_ptr<Protection> protection);
  std::shared_ptr<Protection> BeginProtection(const std::string& peer);

  // vm_protection_end.cc
  void FinishProtection(const Protection& protection);
  void FinishVmGone(const Protection& protection, const std::string& peer);
  void CloneAnew(const std::string& peer);
  Awaitable<void> EnableAgain(std::string peer);
  Awaitable<void> WatchHandedOver(uint64_t epoch, std::string peer);
  Awaitable<Status> EndProtection(const std::string& why);

  // vm_status.cc
  boost::json::object Positions() const;

  const HostContext& context_;
  replay::VmDefinition definition_;
  VmCondition condition_;
  // This host holds the record at condition_.epoch.
  bool owns_record_ = false;
  DiskHistory disks_;
  // The engine of an earlier ftd, until Recover() has looked at it.
  pid_t saved_pid_ = 0;

  std::unique_ptr<replay::Engine> engine_;
  bool engine_is_stopping_ = false;  // by us: its exit is no failure
  bool guest_shut_down_ = false;     // by itself, just before its exit
  std::shared_ptr<Protection> protection_;
  // The last time that the backup of this VM diverged.
  std::optional<std::chrono::steady_clock::time_point> diverged_;
  BackupSession* session_ = nullptr;  // set while this host is the backup
  VmCondition before_backup_;         // to return to when it is refused
  DiskHistory disks_before_;
  replay::VmDefinition definition_before_;

  std::string verb_;  // in progress, "" when none
  Condition changed_;

  // Numbers of the last protection and failover, kept for status.
  primary::PrimaryMetrics primary_metrics_;
  std::optional<backup::FailoverTimes> failover_;
};

}  // namespace ft::host
