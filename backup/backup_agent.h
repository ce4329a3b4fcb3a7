// SPDX-License-Identifier: GPL-2.0-or-later
//
// BackupAgent: one VM's backup on this host, from the primary's Hello to its
// end: gone live, halted, or refused.
//
//     Hello --admission--> engine -incoming, HelloReply
//           --checksums of its replicas, if there are any--> CloneDone{P}
//     feed: Entries -> ring, Ack{received} at once, Ack{replayed} as it goes
//     Protect{Q} and received >= Q: entitled
//     suspicion:  not entitled -> kHalted
//                 entitled     -> contend (from here nothing is acknowledged)
//                     acquired     -> x-ft-go-live, FT_LIVE -> kLive
//                     held by peer -> engine killed, kHalted
//                     unreachable  -> wait, try again
//
// Invariants kept here: I5 it goes live only after consuming everything it
// acknowledged; I6 after deciding to contend it never acknowledges another
// entry (entitlement.h owns both rules).
//
// One thread, the io_context's; files are hashed in `blocking`, replicas half
// a second at a time. The agent bumps
// the ring's owner_beat while Run() runs.
//
// Bounds: one frame in hand (8 MiB), then the ring; a full ring stops the
// reading of the connection, which stops the primary through TCP.
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

#include "backup/replica.h"
#include "fencing/engine_watchdog.h"
#include "fencing/failure_detector.h"
#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"
#include "primary/replica_state.h"
#include "replay/vm_definition.h"

namespace ft::logchannel {
class Connection;
class HeartbeatPort;
}  // namespace ft::logchannel
namespace ft::fencing {
class AsyncTestAndSet;
}
namespace ft::replay {
class Engine;
}

namespace ft::backup {

// Where a running agent stands.
enum class State {
  // Admission, clone, catching up; not entitled yet.
  kStarting,
  // In virtual lockstep; entitled to take over.
  kProtected,
  // The primary is suspected: contending, or waiting for the storage.
  kDeciding,
  // The test-and-set is won; consuming the rest of the log.
  kGoingLive,
};

enum class End {
  // The Hello was refused; the primary was told why. Nothing is left behind.
  kRefused,
  // The VM runs here now, at `epoch`, unprotected: TakeEngine() owns it.
  kLive,
  // This backup gave up or was told to; its engine is gone. The primary (or
  // the winner) runs the VM. `reason` tells which case.
  kHalted,
  // The test-and-set was won and the engine failed before it was live: the
  // VM is lost. Its epoch is this host's.
  kFailed,
};

// Milliseconds; a failover as the operator sees it.
struct FailoverTimes {
  double detect_ms = 0;        // last sign of the primary until suspicion
  double test_and_set_ms = 0;  // suspicion until acquired
  double drain_ms = 0;         // acquired until live
  double total_ms = 0;         // last sign of the primary until live
};

struct Outcome {
  End end;
  // kLive, kFailed: the new epoch, held by this host. Else the Hello's.
  uint64_t epoch = 0;
  // "host-failure", "lost-connection", "fenced", "divergence",
  // "user-action" (planned, or disabled), "initializing".
  std::string reason;
  std::string why;      // one line
  Status status;        // kRefused: what the primary was told
  FailoverTimes times;  // kLive
};

class BackupListener {
 public:
  virtual ~BackupListener() = default;
  virtual void OnBackupState(State state, const std::string& why) = 0;
  virtual void OnBackupEvent(const std::string& what) = 0;
  // While starting: a replica of a private disk got further. One line.
  virtual void OnCloneProgress(const std::string& /*what*/) {}
};

// Which part of the log in a diverged engine's ring is worth keeping.
struct LogToKeep {
  uint64_t epoch = 0;
  uint64_t clone = 0;  // where the clone was taken
  // The clone, or the oldest end of an entry that this side knows of and that
  // the ring still has.
  uint64_t first = 0;
  std::string why;  // the divergence, in one line
};

// What only host knows: how an engine is started here.
struct LaunchedBackup {
  std::unique_ptr<replay::Engine> engine;
  uint16_t clone_port = 0;
};
class BackupHost {
 public:
  virtual ~BackupHost() = default;
  // Starts an engine for `vm` that awaits its clone on a free clone port,
  // taps created. With replicas this host's private disks are a replica of the
  // primary's from here on: that is durable before the missing ones are made,
  // and so before anybody writes one. On failure, and when the agent ends with
  // kRefused, nothing is left behind.
  virtual boost::asio::awaitable<Result<LaunchedBackup>> LaunchBackup(
      const replay::VmDefinition& vm, const std::vector<Replica>& replicas) = 0;
  // An engine or another agent of this VM lives on this host, in any role.
  virtual bool IsLiveHere(const std::string& vm) = 0;
  // The engine of `vm` has diverged and stands still: its ring has the log
  // that shows how, and will be removed when this ends.
  virtual boost::asio::awaitable<void> KeepLog(const std::string& vm,
                                               LogToKeep log) = 0;
  // Called after the engine of a backup that did not go live is gone:
  // the taps may be removed.
  // Ring, doorbells and QMP socket are removed already.
  virtual void BackupEngineGone(const std::string& vm) = 0;
};

struct BackupOptions {
  std::string host;                    // this host's name
  uint16_t own_heartbeat_port = 7601;  // told to the peer in the HelloReply
  fencing::FailureDetectorOptions detector =
      fencing::FailureDetectorOptions::Backup();
  // Once entitled, an engine here that gives no sign of life is no backup: the
  // primary is told. Not while the primary is not heard: a VM that goes on
  // late is better than none.
  fencing::EngineWatchdogOptions engine_watchdog;
  // Agree to compressed log, if the primary offers it.
  bool compression = true;
  // From HelloReply until the clone has arrived; again from each moment that a
  // replica got further.
  std::chrono::milliseconds clone_timeout{150000};
  // Acquired until live: consuming a full ring takes seconds on a busy host.
  // Beyond this the VM counts as lost.
  std::chrono::milliseconds go_live_timeout{300000};
  // A Handover is answered when the engine has executed all of the log, and
  // refused after this: less than the 3 s that a primary waits.
  std::chrono::milliseconds handover_drain_timeout{2000};
  // A farewell waits so long for the peer to hang up first.
  std::chrono::milliseconds farewell_timeout{500};
  std::function<bool()> uplink_up;
};

// A snapshot, as in PrimaryMetrics.
struct BackupMetrics {
  uint64_t received = 0, replayed = 0, released = 0;
  uint64_t log_bytes = 0;
  std::vector<primary::ReplicaState> replicas = {};
};

class BackupAgent {
 public:
  // References outlive the agent. `hello` is the connection's first frame.
  BackupAgent(boost::asio::io_context& io, BackupHost& host,
              fencing::AsyncTestAndSet& test_and_set,
              boost::asio::thread_pool& blocking,
              logchannel::HeartbeatPort& heartbeats, BackupListener& listener,
              BackupOptions options,
              std::shared_ptr<logchannel::Connection> connection,
              logchannel::wire::Hello hello);
  ~BackupAgent();

  // Runs to the end. Call once; the agent must outlive it.
  boost::asio::awaitable<Outcome> Run();

  // This host gives the backup up (ftd stops): the primary is told with Bye,
  // the engine quits. Without effect once the test-and-set is asked.
  void Stop(const std::string& why);

  // After kLive: the engine, recording, outputs leaving.
  std::unique_ptr<replay::Engine> TakeEngine();
  // The running engine's, null before launch and after the end.
  replay::Engine* engine();

  State state() const;
  BackupMetrics metrics() const;
  const logchannel::wire::Hello& hello() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

const char* Name(State state);
const char* Name(End end);

}  // namespace ft::backup
