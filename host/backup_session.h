// SPDX-License-Identifier: GPL-2.0-or-later
//
// BackupSession: one accepted Hello, from its admission to the end of the
// BackupAgent that serves it. It is the agent's view of this host (how an
// engine is started, which VMs live here) and carries what happens into the
// VM of the registry.
//
//     Hello -> agent's admission -> LaunchBackup: the Vm is claimed
//           -> ... -> kLive: the Vm gets the engine
//                     kHalted, kFailed: the Vm is told why
//     refused before LaunchBackup: no Vm ever knew
//
// Single-threaded, the io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backup/backup_agent.h"
#include "host/host_context.h"

namespace ft::host {

class Vm;
class VmRegistry;

class BackupSession : private backup::BackupHost,
                      private backup::BackupListener {
 public:
  // References outlive the session.
  BackupSession(const HostContext& context, VmRegistry& registry,
                std::shared_ptr<logchannel::Connection> connection,
                logchannel::wire::Hello hello);
  ~BackupSession() override;
  BackupSession(const BackupSession&) = delete;
  BackupSession& operator=(const BackupSession&) = delete;

  // To the end. Call once; the session must outlive it.
  boost::asio::awaitable<void> Run();
  // ftd stops: the primary is told, the engine quits, Run() returns soon.
  void Stop(const std::string& why) { agent_->Stop(why); }

  backup::BackupMetrics metrics() const { return agent_->metrics(); }
  replay::Engine* engine() { return agent_->engine(); }

 private:
  // backup::BackupHost
  boost::asio::awaitable<Result<backup::LaunchedBackup>> LaunchBackup(
      const replay::VmDefinition& vm,
      const std::vector<backup::Replica>& replicas) override;
  bool IsLiveHere(const std::string& vm) override;
  boost::asio::awaitable<void> KeepLog(const std::string& vm,
                                       backup::LogToKeep log) override;
  void BackupEngineGone(const std::string& vm) override;
  // backup::BackupListener
  void OnBackupState(backup::State state, const std::string& why) override;
  void OnBackupEvent(const std::string& what) override;
  void OnCloneProgress(const std::string& what) override;

  boost::asio::awaitable<Status> PrepareReplicas(
      const std::vector<backup::Replica>& replicas);
  boost::asio::awaitable<void> Finish(const backup::Outcome& outcome);
  boost::asio::awaitable<void> ForgetVm();
  void ReturnClonePort();

  const HostContext& context_;
  VmRegistry& registry_;
  const std::string primary_host_;
  const uint64_t epoch_;
  std::string peer_;        // "10.0.0.1:45678", for messages
  std::shared_ptr<Vm> vm_;  // from LaunchBackup on
  // This Hello was the first that this host heard of the VM; what comes to
  // nothing is then forgotten again.
  bool vm_is_new_ = false;
  bool was_protected_ = false;
  // Its definition is in state_dir.
  bool is_kept_ = false;
  // Images that this session made, until somebody may have written one.
  std::vector<std::string> made_;
  uint16_t clone_port_ = 0;  // 0: none taken
  std::unique_ptr<backup::BackupAgent> agent_;
};

}  // namespace ft::host
