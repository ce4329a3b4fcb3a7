// SPDX-License-Identifier: GPL-2.0-or-later
//
// One engine: its process, its QMP connection and its log ring, with the
// commands of docs/engine.md as typed calls. This is all that the agents and
// ftd see of QEMU.
//
//     Start ......... recording (log discarded)            a VM
//       Clone ....... the log is kept from position P on
//       Protect ..... outputs after Q wait for acknowledgements
//       Unprotect ... back to the first line
//     Start with `incoming` ... waits for a clone          a backup
//       OnFollow .... replaying from position P
//       GoLive ...... recording (log discarded): a VM like the first
//
// Lifetime: destroying an Engine closes QMP and unmaps the ring but leaves
// the process alone, as a crash of ftd would; Attach() finds it again. Quit()
// or Kill() end it; RemoveFiles() cleans up behind it.
//
// Single-threaded: everything on the executor that Start() or Attach() ran
// on. No method may be called after the destructor began; coroutines still
// suspended in a call then end with kUnavailable.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "logchannel/log_ring.h"
#include "logchannel/status.h"
#include "replay/engine_messages.h"
#include "replay/engine_options.h"
#include "replay/engine_process.h"

namespace ft::replay {

// What an engine says unasked. Called on the executor; a listener may call
// the engine but not destroy it from inside a callback.
class EngineListener {
 public:
  virtual ~EngineListener() = default;
  // Primary, while it is cloned: how far the replica of a private disk is.
  virtual void OnReplicaProgress(const ReplicaProgress& /*progress*/) {}
  // Backup: the clone arrived, replaying starts at `position`.
  virtual void OnFollow(uint64_t /*position*/) {}
  // Backup: what was replayed is not what was recorded. The engine has
  // stopped; it must not go live.
  virtual void OnDivergence(const Divergence& /*divergence*/) {}
  // Primary: the owner's beat stood still for 2 s; the VM is paused.
  virtual void OnOrphaned() {}
  // The VM was paused or runs again; a clone does both, briefly.
  virtual void OnStopped() {}
  virtual void OnResumed() {}
  // The guest powered off or was reset away; the process ends soon.
  virtual void OnShutdown(const std::string& /*reason*/) {}
  // Last call: the process has ended. `why` is one line.
  virtual void OnExit(const std::string& /*why*/) {}
};

// What else a clone of a VM with private disks is told.
struct CloneOptions {
  // A directory with "d<i>.sha256" for each private disk i: what the backup's
  // replica is now (replica_checksums.h). Chunks that have these checksums
  // are not sent. Read by the time that the clone has ended. Empty: nothing
  // is known of the replicas.
  std::string replicas;
  // Bytes a second for the copying of disks; 0: as fast as it goes.
  uint64_t replica_rate = 0;
};

class Engine {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using Milliseconds = std::chrono::milliseconds;

  // Checks the boot files, removes the files of a previous engine, spawns,
  // and waits until QMP and the ring are there. No engine may be alive for
  // this VM. On error nothing runs and the status is one line that names the
  // cause (missing binary, missing kernel, a device the engine refuses, a
  // clone port in use).
  static Awaitable<Result<std::unique_ptr<Engine>>> Start(
      EngineOptions options, Milliseconds timeout = std::chrono::seconds(10));

  // Re-attaches to the engine `pid` that an earlier ftd started with the same
  // options. kInvalid when that process is gone or another.
  static Awaitable<Result<std::unique_ptr<Engine>>> Attach(
      EngineOptions options, pid_t pid,
      Milliseconds timeout = std::chrono::seconds(2));

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Listeners are told in the order of registration; one may remove itself
  // inside a callback. Not owned.
  void AddListener(EngineListener* listener);
  void RemoveListener(EngineListener* listener);

  const EngineOptions& options() const;
  EngineProcess& process();
  // To wait for it, make the one logchannel::RingDoorbell of this ring.
  logchannel::LogRing& ring();
  // False once the process has ended (OnExit was or is about to be called).
  bool running();

  Awaitable<Result<EngineState>> Query(
      Milliseconds timeout = std::chrono::seconds(10));
  // Ends when the clone has ended, not before. `host` is an IPv4 address or a
  // name. On error the VM runs on and its log is discarded again. After
  // `timeout` without progress of a replica the clone is cancelled.
  Awaitable<Result<CloneResult>> Clone(
      std::string host, uint16_t port,
      Milliseconds timeout = std::chrono::seconds(120));
  // No default arguments: gcc 12 destroys such temporaries twice in a
  // coroutine (its bug 99576).
  Awaitable<Result<CloneResult>> Clone(std::string host, uint16_t port,
                                       Milliseconds timeout,
                                       CloneOptions options);
  // The same, to any uri of QEMU's migration ("exec:cat > FILE"): a snapshot.
  Awaitable<Result<CloneResult>> CloneTo(
      std::string uri, Milliseconds timeout = std::chrono::seconds(120));
  // Ends a clone that is under way; Clone() then ends with an error.
  Awaitable<Status> CancelClone();
  // Only with `incoming` = "defer": loads a clone from such a uri. OnFollow
  // comes, or the process ends.
  Awaitable<Status> Load(std::string uri);
  // The position after which every output is held.
  Awaitable<Result<uint64_t>> Protect();
  // Only after a won test-and-set, or a Bye: releases all held outputs.
  Awaitable<Status> Unprotect();
  // Backup, only after a won test-and-set: the network learns that the VM is
  // here now, and what it sends waits for GoLive.
  Awaitable<Status> Announce();
  // Backup. kFailed when less than `position` is committed to the ring. Ends
  // when the VM is live.
  Awaitable<Result<LiveResult>> GoLive(
      uint64_t position, Milliseconds timeout = std::chrono::seconds(30));
  // The VM must be stopped, or a backup that consumed everything.
  Awaitable<Result<MachineDigest>> Digest();
  // The vCPU's registers as text where a digest of them was made, of the last
  // 12 s. `icount`: instructions executed until then. After a divergence
  // (Divergence::icount) both engines have those that should be equal.
  Awaitable<Result<std::string>> Registers(uint64_t icount);
  Awaitable<Status> Stop();
  Awaitable<Status> Cont();
  // A line for QEMU's human monitor, and what it says; for what has no QMP
  // command ("singlestep on", "info registers").
  Awaitable<Result<std::string>> Monitor(
      std::string line, Milliseconds timeout = std::chrono::seconds(60));

  // Asks the engine to end and waits; kills it after `grace`. On return the
  // process has ended.
  Awaitable<void> Quit(Milliseconds grace = std::chrono::seconds(2));
  // SIGKILL; OnExit follows.
  void Kill();
  // When the process has ended: true. False after `timeout`.
  Awaitable<bool> WaitExit(Milliseconds timeout);
  // Ring, doorbells and QMP socket. Only after the process has ended.
  void RemoveFiles();

 private:
  struct State;
  explicit Engine(std::shared_ptr<State> state);
  Awaitable<Result<CloneResult>> CloneWith(std::string uri,
                                           Milliseconds timeout,
                                           CloneOptions options);
  std::shared_ptr<State> state_;
};

}  // namespace ft::replay
