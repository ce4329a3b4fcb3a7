// SPDX-License-Identifier: GPL-2.0-or-later
//
// EngineLauncher: where on this host an engine and its files live, and how
// its taps come and go with it.
//
//     ring_dir/HOST/VM.ring     log ring (and .to-ftd, .to-engine)
//     run_dir/VM.qmp            QMP socket
//     run_dir/VM.replicas/      checksums of its replicas, during a clone
//     state_dir/vms/VM/console.log, engine.log
//     ft-VM-N                   tap of NIC N
//
// All of it is derived from the VM's name, so a restarted ftd finds an engine
// again even when it died before it wrote anything down.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "host/config.h"
#include "host/state_store.h"
#include "logchannel/status.h"
#include "replay/engine.h"
#include "replay/vm_definition.h"

namespace ft::host {

class EngineLauncher {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using EnginePtr = std::unique_ptr<replay::Engine>;

  // Both outlive the launcher.
  EngineLauncher(const Config& config, const StateStore& store)
      : config_(config), store_(store) {}

  // Everything that can be refused before anything is changed: boot files,
  // bridges, the length of socket paths, the engine's binary.
  Status Check(const replay::VmDefinition& vm) const;

  // Makes the taps and starts the engine; with a clone port it is a backup's.
  // `epoch` is the record's now: disk services know the engine by it. On error
  // nothing is left behind.
  Awaitable<Result<EnginePtr>> Launch(replay::VmDefinition vm, uint64_t epoch,
                                      std::optional<uint16_t> clone_port);

  // The engine of `vm` that an earlier ftd left running; 0 when there is
  // none. `saved` is the pid in state.json; a missing or outdated one is
  // made good by the ring's.
  pid_t LivePid(const std::string& vm, pid_t saved) const;
  // Attaches to it, whatever build it is of: an upgrade of the engine must
  // not lose the VMs that run.
  Awaitable<Result<EnginePtr>> Attach(replay::VmDefinition vm, pid_t pid);

  // After the engine's process has ended: its files and taps.
  void CleanUp(const replay::VmDefinition& vm, replay::Engine& engine);
  // The same when there is no Engine any more.
  void RemoveLeftovers(const replay::VmDefinition& vm);
  // What an ftd left that was killed in the middle of a clone.
  void RemoveReplicaSums(const std::string& vm) const;

  // A clone port that nobody uses; ReturnClonePort() when the backup ends.
  Result<uint16_t> TakeClonePort();
  void ReturnClonePort(uint16_t port) { ports_in_use_.erase(port); }

  std::string RingPath(const std::string& vm) const;

 private:
  replay::EngineOptions Options(const replay::VmDefinition& vm,
                                std::optional<uint16_t> clone_port) const;
  Status CreateTaps(const replay::VmDefinition& vm);
  void DeleteTaps(const replay::VmDefinition& vm);

  const Config& config_;
  const StateStore& store_;
  std::set<uint16_t> ports_in_use_;
};

}  // namespace ft::host
