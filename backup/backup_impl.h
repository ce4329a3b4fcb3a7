// SPDX-License-Identifier: GPL-2.0-or-later
//
// The inside of BackupAgent. Four sources: backup_agent.cc (the life and the
// watching), backup_replicas.cc (what its private disks are),
// backup_feed.cc (what the primary sends, and what it is answered),
// backup_end.cc (admission's refusal, going live, giving up).
//
// Four coroutines on one thread: the script (Run), and beside it the beats,
// the reader, which feeds the ring, and the acknowledger; before the clone one
// more, which reads replicas. Only the script
// decides; the reader takes entries and acknowledges them only while
// may_take() holds.
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "backup/admission.h"
#include "backup/backup_agent.h"
#include "backup/entitlement.h"
#include "backup/entry_boundaries.h"
#include "backup/outlook.h"
#include "fencing/async_test_and_set.h"
#include "fencing/output_lease.h"
#include "logchannel/connection.h"
#include "logchannel/entry_compression.h"
#include "logchannel/heartbeat_port.h"
#include "logchannel/ring_doorbell.h"
#include "primary/contest.h"
#include "primary/engine_watch.h"
#include "primary/tasks.h"
#include "replay/engine.h"

namespace ft::backup {

class BackupAgent::Impl final : public replay::EngineListener {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using Time = std::chrono::steady_clock::time_point;

  Impl(boost::asio::io_context& io, BackupHost& host,
       fencing::AsyncTestAndSet& store, boost::asio::thread_pool& blocking,
       logchannel::HeartbeatPort& heartbeats, BackupListener& listener,
       BackupOptions options,
       std::shared_ptr<logchannel::Connection> connection,
       logchannel::wire::Hello hello);

  Awaitable<Outcome> Run();
  void Stop(const std::string& why);
  std::unique_ptr<replay::Engine> TakeEngine() { return std::move(engine_); }
  replay::Engine* engine() { return engine_.get(); }
  State state() const { return state_; }
  BackupMetrics metrics() const;
  const logchannel::wire::Hello& hello() const { return hello_; }

  void OnFollow(uint64_t position) override;
  void OnDivergence(const replay::Divergence& divergence) override;
  void OnShutdown(const std::string& reason) override;
  void OnExit(const std::string& why) override;

 private:
  static Time Now() { return std::chrono::steady_clock::now(); }
  logchannel::wire::FrameHeader Frame() const;
  const std::string& vm() const { return hello_.vm().name(); }
  const std::string& primary() const { return hello_.host(); }
  void SetState(State state, const std::string& why);
  void Report(const std::string& what) { listener_.OnBackupEvent(what); }
  // I6: false for good once this side has contended or halted.
  bool may_take() const { return contest_->arbitration().may_acknowledge(); }

  // --- backup_agent.cc
  Awaitable<Status> Admit();
  Awaitable<Status> Launch();
  Awaitable<Status> Welcome();
  void BeginTraffic();
  Awaitable<void> BeatLoop();
  void SendHeartbeat();
  void OnHeartbeat(const logchannel::wire::Heartbeat& heartbeat,
                   const std::string& sender);
  Awaitable<Outcome> Watch();
  Awaitable<std::optional<Outcome>> Look();
  void NoteProgress();
  bool engine_silent() const;
  bool drained() const;
  Awaitable<void> RefuseLateHandover();
  Awaitable<void> Settle(const Outcome& outcome);

  // --- backup_replicas.cc
  Awaitable<void> SendChecksums();
  Awaitable<Status> SendChecksumsOf(const Replica& replica);
  Status OnReplicaProgress(const logchannel::wire::ReplicaProgress& message);
  void NoteReplica(const primary::ReplicaState& now);

  // --- backup_feed.cc
  Awaitable<void> ReadLoop();
  Awaitable<Status> OnFrame(const logchannel::Frame& frame);
  Awaitable<Status> OnCloneDone(LogPosition position);
  Awaitable<Status> OnEntries(const logchannel::wire::Entries& entries,
                              std::span<const std::byte> payload);
  Result<std::span<const std::byte>> Decompress(
      const logchannel::wire::Entries& entries,
      std::span<const std::byte> payload);
  Awaitable<void> AckLoop();
  Awaitable<Status> Acknowledge();
  void Lose(const Status& why);
  void NoteDamage(const Status& found);

  // --- backup_end.cc
  Awaitable<Outcome> Refuse(Status why);
  // Nothing if the pair is whole again.
  Awaitable<std::optional<Outcome>> Decide(fencing::Action action);
  Awaitable<Outcome> GoLive(uint64_t epoch);
  Awaitable<void> Announce();
  Awaitable<void> WaitOutLease();
  Awaitable<void> DrainAndSwitch();
  Outcome Lost(const std::string& why) const;
  Outcome Halted(fencing::HaltReason reason) const;
  // Bye: this side never contends. Then out.
  Awaitable<Outcome> Leave(std::string reason, std::string why);
  Awaitable<Outcome> ConfirmBye();
  Awaitable<void> AnswerHandover(bool done, std::string error);
  Outcome Ended(End end, std::string reason, std::string why) const;

  boost::asio::io_context& io_;
  BackupHost& host_;
  fencing::AsyncTestAndSet& store_;
  boost::asio::thread_pool& blocking_;
  logchannel::HeartbeatPort& heartbeats_;
  BackupListener& listener_;
  const BackupOptions options_;
  const std::shared_ptr<logchannel::Connection> connection_;
  const logchannel::wire::Hello hello_;

  State state_ = State::kStarting;
  Entitlement entitlement_;
  fencing::LeaseGrant lease_;  // of the outputs that we acknowledge
  uint64_t epoch_;  // the Hello's; one more once acquired. Of heartbeats.
  uint64_t log_bytes_ = 0;
  // Agreed on in HelloReply, or null.
  std::unique_ptr<logchannel::EntryDecompressor> decompressor_;
  uint64_t peer_released_ = 0;
  LogPosition told_replayed_ = 0;  // in the last Ack
  LogPosition clone_ = 0;          // CloneDone's
  EntryBoundaries boundaries_;     // from the clone on
  Time clone_deadline_{};
  const std::vector<Replica> replicas_;          // of the Hello
  std::vector<primary::ReplicaState> progress_;  // one for each of them
  std::atomic<bool> stop_reading_ = false;       // whoever reads a replica

  // Facts, each set once and for good.
  std::optional<std::string> gone_;        // our engine ended, and how
  std::optional<std::string> divergence_;  // expected and got
  std::optional<Status> lost_;             // the connection ended, and why
  std::optional<std::string> bye_;         // the primary's reason
  std::optional<std::string> stop_;        // this host's reason
  std::optional<std::string> vm_gone_;     // the primary's VM died, and how
  std::optional<Status> broken_;           // the engine contradicts the primary
  std::optional<Status> damage_;           // our ring holds no log any more
  bool guest_shutdown_ = false;
  bool ending_ = false;  // the loops must end
  // The primary's Handover, until the log is executed; then it is answered.
  std::optional<Time> handover_asked_;
  bool handover_ = false;
  std::optional<Result<replay::LiveResult>> live_;

  uint16_t clone_port_ = 0;
  bool subscribed_ = false;
  uint64_t heartbeat_sequence_ = logchannel::FirstHeartbeatSequence();
  uint64_t heard_beat_ = 0;  // the newest of the primary's, to be echoed
  logchannel::HeartbeatOrder heartbeat_order_;

  std::unique_ptr<replay::Engine> engine_;
  std::unique_ptr<primary::Contest> contest_;  // from admission on
  // While following; the acknowledger waits on it.
  std::unique_ptr<logchannel::RingDoorbell> doorbell_;
  boost::asio::steady_timer beat_timer_;
  boost::asio::steady_timer pause_timer_;  // the acknowledger's
  primary::Tasks tasks_;
  std::unique_ptr<primary::EngineWatch> engine_watch_;  // once entitled
};

}  // namespace ft::backup
