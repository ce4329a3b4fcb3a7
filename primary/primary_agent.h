// SPDX-License-Identifier: GPL-2.0-or-later
//
// PrimaryAgent: one protection of one running VM, from `enable` to its end.
//
//     connect, Hello ---> accepted --- x-ft-clone ---> CloneDone{P}, pump
//        |          (private disks: its replicas' checksums first)
//        |                                                |
//        | anything fails: VM runs on untouched           | caught up
//        v                                                v
//     kNotStarted <------------------------------ x-ft-protect, Protect{Q}
//                                                         | Ack >= Q
//     suspicion after Protect was sent: test-and-set      v
//        acquired -> kAlone    held by peer -> kFenced  kProtected
//        unreachable: wait, outputs held, try again
//
// The agent is started with Run() and is over when Run() returns: the
// Outcome says who runs the VM now. Protecting again is a new agent. All of
// it lives on one thread, the io_context's; the blocking test-and-set runs in
// `blocking`. While Run() runs the agent bumps the ring's owner_beat, and
// nobody else may command the engine (host asks the agent: Disable(),
// Failover()).
//
// Bound: the only queue of log is the ring. A backup that replays too slowly
// fills its own ring, then TCP, then the primary's ring; then the vCPU waits
// at its loop top until the backup caught up. Nothing is dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "fencing/engine_watchdog.h"
#include "fencing/failure_detector.h"
#include "logchannel/status.h"
#include "primary/replica_state.h"
#include "replay/vm_definition.h"

namespace ft::logchannel {
class HeartbeatPort;
}
namespace ft::fencing {
class AsyncTestAndSet;
}
namespace ft::replay {
class Engine;
}

namespace ft::primary {

// Where a running agent stands. `Name(State)` is the status word.
enum class State {
  // Connecting, cloning, catching up. The VM's outputs leave at once.
  kStarting,
  // The output rule is in force and the backup is entitled to take over.
  kProtected,
  // The backup is suspected; outputs are held until the test-and-set has
  // answered. Left for kAlone or kFenced only.
  kDeciding,
  // The operator's failover: the VM is paused, the backup is asked to take
  // it. Left for kProtected (it could not) or the end.
  kHandingOver,
};

// How a protection ended: who runs the VM now.
enum class End {
  // Never came to be. This VM runs on, epoch unchanged; `status` says why.
  kNotStarted,
  // By the operator: this VM runs unprotected.
  kDisabled,
  // The backup is lost (or gave up); this VM runs on alone at `epoch`.
  kAlone,
  // Planned failover done: the peer runs the VM, this engine is gone.
  kMoved,
  // The peer won the test-and-set; this engine was killed.
  kFenced,
  // This VM's engine exited by itself, or was given up: it stood still, or
  // its ring is damaged. `handed_over` says
  // whether a backup
  // was entitled and told to take over.
  kVmGone,
};

struct Outcome {
  End end;
  // The epoch of the record as far as this side knows: N + 1 when this side
  // won a test-and-set (kVmGone: host releases it), else N.
  uint64_t epoch = 0;
  // The state's reason word: "lost-connection", "divergence",
  // "host-failure", "user-action", "fenced", "lag", "initializing".
  std::string reason;
  // One line for the operator.
  std::string why;
  // kNotStarted: what failed and the remedy. Ok otherwise.
  Status status;
  // kVmGone: a backup may be entitled, was told or is asking for the record:
  // the record must stay where it expects it. Else nobody else can run the
  // VM, and host frees the record.
  bool handed_over = false;
  // kVmGone: the guest powered itself off; nobody took over.
  bool guest_shutdown = false;
};

// Called on the io_context's thread; must not destroy the agent.
class PrimaryListener {
 public:
  virtual ~PrimaryListener() = default;
  virtual void OnPrimaryState(State state, const std::string& why) = 0;
  // One line for the VM's event log.
  virtual void OnPrimaryEvent(const std::string& what) = 0;
  // While starting, at most once a second: a replica of a private disk got
  // further. `what` is one line.
  virtual void OnCloneProgress(const std::string& /*what*/) {}
};

struct PrimaryOptions {
  std::string host;  // this host's name
  std::string peer;  // the backup host's name
  std::string peer_address;
  uint16_t peer_log_port = 7600;
  uint16_t own_heartbeat_port = 7601;  // told to the peer in the Hello
  uint64_t epoch = 0;                  // the record's, held by this host
  // Without checksums the agent measures the boot files itself.
  replay::VmDefinition vm;

  // Heartbeat interval and silence; why 400 ms: failure_detector.h.
  fencing::FailureDetectorOptions detector =
      fencing::FailureDetectorOptions::Primary();
  // Once protected, an engine here that gives no sign of life is ended, so
  // that the backup takes over.
  fencing::EngineWatchdogOptions engine_watchdog;
  // Offer the backup to compress the log.
  bool compression = true;
  // A connect, and the backup's answer to Hello: it hashes two files and
  // starts an engine, under 2 s on a busy machine.
  std::chrono::milliseconds connect_timeout{2000};
  std::chrono::milliseconds hello_timeout{15000};
  // The clone, and each time that a replica has got further.
  std::chrono::milliseconds clone_timeout{120000};
  // The next checksums of the backup's replicas: it reads its disks.
  std::chrono::milliseconds replica_timeout{30000};
  // Bytes a second for the copying of private disks; 0: as fast as it goes.
  uint64_t replica_rate = 0;
  // Where the checksums lie while a VM with private disks is cloned.
  std::string run_dir = {};
  // From the clone's end until the backup has caught up.
  std::chrono::milliseconds catch_up_timeout{120000};
  // A backup that acknowledges or executes nothing for so long while log
  // waits for it is given up (reason "lag"), though its host beats: the VM
  // stands still, or crawls at FT_RING_PACE_MAX, then. Ten
  // seconds is less than clients' TCP bears.
  std::chrono::milliseconds stall_timeout{10000};
  // Farewell messages (Bye, VmGone, Handover) wait this long for an answer.
  std::chrono::milliseconds farewell_timeout{3000};
  // False while the interface to the outside has no carrier: then this side
  // does not contend. Empty: no interface is watched.
  std::function<bool()> uplink_up = {};
};

// A snapshot; cheap, callable at any time on the io_context's thread.
struct PrimaryMetrics {
  // released <= received <= sent <= committed; replayed <= received.
  uint64_t committed = 0, sent = 0, received = 0, replayed = 0, released = 0;
  double execution_lag_ms = 0, execution_lag_ms_p50 = 0,
         execution_lag_ms_p99 = 0;
  uint64_t log_bytes = 0;     // sent since the clone
  double log_mbit_per_s = 0;  // over the last second
  // The frames of the log as they were sent, heads included.
  uint64_t wire_bytes = 0;
  double wire_mbit_per_s = 0;
  double clone_pause_ms = 0, clone_total_ms = 0;
  double test_and_set_ms = 0;  // of the last decision
  // Of each private disk; as it was when the clone ended.
  std::vector<ReplicaState> replicas = {};
};

class PrimaryAgent {
 public:
  // All references outlive the agent.
  PrimaryAgent(boost::asio::io_context& io, replay::Engine& engine,
               fencing::AsyncTestAndSet& test_and_set,
               boost::asio::thread_pool& blocking,
               logchannel::HeartbeatPort& heartbeats, PrimaryListener& listener,
               PrimaryOptions options);
  ~PrimaryAgent();

  // Runs the protection to its end. Call once. The agent must outlive it.
  boost::asio::awaitable<Outcome> Run();

  // Ends the protection by the operator's will; Run() returns kDisabled (or,
  // if the peer cannot confirm, whatever the test-and-set decides). Returns
  // at once; Run()'s outcome tells the rest.
  void Disable(const std::string& why);

  // Planned failover. Ok once the peer runs the VM (Run() returns kMoved).
  // Not ok: the VM runs on here, protected or with Run()'s outcome.
  boost::asio::awaitable<Status> Failover();

  State state() const;
  PrimaryMetrics metrics() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What a restarted ftd does with a live *recording* engine that it finds (a
// replaying one is a former backup: quit it): decides by the
// record whether this VM may run on. Waits, outputs held, while the record
// cannot be read. Never returns kNotStarted, kMoved or kVmGone.
//     record mine, outputs held        -> contend; kAlone at N + 1 or kFenced
//     record mine, outputs not held    -> kAlone at N (nothing to decide)
//     record another's                 -> the engine is killed, kFenced
//     no record, or one older than
//     `epoch`: not our store           -> as if it could not be read
struct RecoverOptions {
  std::string vm;
  std::string host;
  // This host's last known. 0: take the record's; none is then another's.
  uint64_t epoch = 0;
  std::function<bool()> uplink_up = {};
};
boost::asio::awaitable<Outcome> Recover(replay::Engine& engine,
                                        fencing::AsyncTestAndSet& test_and_set,
                                        PrimaryListener& listener,
                                        RecoverOptions options);

const char* Name(State state);
const char* Name(End end);

}  // namespace ft::primary
