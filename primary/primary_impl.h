// SPDX-License-Identifier: GPL-2.0-or-later
//
// The inside of PrimaryAgent. Four sources: primary_agent.cc (the life and
// the watching), primary_start.cc (from nothing until Protect is sent),
// primary_clone.cc (of which the clone, with its replicas), primary_end.cc
// (every way a protection ends).
//
// Four coroutines on one thread: the script (Run), and beside it the beats,
// the reader of the connection and the pump. The latter three only change
// facts and call tasks_.Notify(); every decision is the script's.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "fencing/async_test_and_set.h"
#include "fencing/output_lease.h"
#include "logchannel/connection.h"
#include "logchannel/heartbeat_port.h"
#include "primary/contest.h"
#include "primary/engine_watch.h"
#include "primary/lag_meter.h"
#include "primary/log_pump.h"
#include "primary/outlook.h"
#include "primary/primary_agent.h"
#include "primary/protection.h"
#include "primary/replica_sums.h"
#include "primary/tasks.h"
#include "replay/engine.h"

namespace ft::primary {

// x-ft-unprotect until it succeeded or the engine has ended; then `cont` if
// the guest stands still. True if the VM runs on.
boost::asio::awaitable<bool> RunOnAlone(replay::Engine& engine,
                                        PrimaryListener& listener);
// SIGKILL, and until the process has ended.
boost::asio::awaitable<void> KillEngine(replay::Engine& engine,
                                        PrimaryListener& listener);

class PrimaryAgent::Impl final : public replay::EngineListener {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;
  using Time = std::chrono::steady_clock::time_point;

  Impl(boost::asio::io_context& io, replay::Engine& engine,
       fencing::AsyncTestAndSet& store, boost::asio::thread_pool& blocking,
       logchannel::HeartbeatPort& heartbeats, PrimaryListener& listener,
       PrimaryOptions options);

  Awaitable<Outcome> Run();
  void Disable(const std::string& why);
  Awaitable<Status> Failover();
  State state() const { return state_; }
  PrimaryMetrics metrics();

  void OnReplicaProgress(const replay::ReplicaProgress& progress) override;
  void OnOrphaned() override;
  void OnShutdown(const std::string& reason) override;
  void OnExit(const std::string& why) override;

 private:
  static Time Now() { return std::chrono::steady_clock::now(); }
  logchannel::wire::FrameHeader Frame() const;
  const std::string& vm() const { return options_.vm.name; }
  bool gone() const { return gone_.has_value(); }
  void SetState(State state, const std::string& why);
  void Report(const std::string& what) { listener_.OnPrimaryEvent(what); }

  // --- primary_start.cc. Ok: Protect was sent, or may have been. Not ok:
  // the backup is not entitled.
  Awaitable<Status> Start();
  Awaitable<Status> Measure();
  Awaitable<Status> Greet();
  Awaitable<Status> SendHello();
  Status CheckReply(const logchannel::wire::FrameHeader& header) const;
  void BeginTraffic(const logchannel::wire::HelloReply& reply);
  Awaitable<Status> CatchUp();
  Awaitable<Status> Protect();
  // Why the setup must be given up now; ok if not.
  Status Trouble();

  // --- primary_clone.cc
  Awaitable<Status> AwaitReplicas();
  Awaitable<Status> Clone();
  Awaitable<Status> Copy();
  Awaitable<void> RunClone(std::string replicas);
  Awaitable<void> TellReplicas(bool always);
  Status OnChecksums(const logchannel::wire::ReplicaChecksums& message);
  ReplicaState* StateOf(uint32_t disk);

  // --- primary_agent.cc
  Awaitable<void> BeatLoop();
  Awaitable<void> ReadLoop();
  Awaitable<void> PumpLoop();
  Status OnFrame(const logchannel::wire::FrameHeader& header);
  Status OnAck(const logchannel::wire::Ack& ack);
  void WriteLease();
  void Lose(const Status& why);
  void NoteDamage(const Status& found);
  void OnHeartbeat(const logchannel::wire::Heartbeat& heartbeat,
                   const std::string& sender);
  void SendHeartbeat();
  Awaitable<Outcome> Watch();
  Awaitable<std::optional<Outcome>> Look();
  void NoteProgress();
  void NoteLease();
  bool engine_silent() const;
  void GiveUp(const std::string& what);
  void SetPace();

  // --- primary_end.cc
  Awaitable<Outcome> Undo(Status why);
  // Nothing if the pair is whole again.
  Awaitable<std::optional<Outcome>> Decide(fencing::Action action);
  // No log is read from the ring any more, nothing is sent or heard.
  void StopTraffic();
  Awaitable<Outcome> Halted(fencing::Action action);
  Awaitable<Outcome> Alone(uint64_t epoch, std::string reason, std::string why);
  Awaitable<Outcome> VmGone();
  Awaitable<void> TellVmGone();
  Awaitable<Outcome> GiveEngineUp();
  Awaitable<Outcome> PeerLeft();
  Awaitable<Outcome> EndByOperator();
  // Nothing: the VM runs on here, protected.
  Awaitable<std::optional<Outcome>> HandOver();
  Awaitable<Status> PrepareHandover();
  Awaitable<std::optional<Outcome>> AwaitHandover();
  Awaitable<void> TakeBack(Status why);
  // Until ready() holds or the connection has ended; false at the deadline.
  Awaitable<bool> Farewell(std::function<bool()> ready);
  Outcome Ended(End end, std::string reason, std::string why) const;

  boost::asio::io_context& io_;
  replay::Engine& engine_;
  fencing::AsyncTestAndSet& store_;
  boost::asio::thread_pool& blocking_;
  logchannel::HeartbeatPort& heartbeats_;
  PrimaryListener& listener_;
  PrimaryOptions options_;

  State state_ = State::kStarting;
  Protection protection_;
  LagMeter lag_;
  fencing::OutputLease lease_;  // in CLOCK_BOOTTIME
  double clone_pause_ms_ = 0;
  double clone_total_ms_ = 0;
  ReplicaSums sums_;                    // of the backup's replicas
  std::vector<ReplicaState> replicas_;  // one for each of sums_
  ReplicaState* moved_ = nullptr;       // the one that got further last
  Time told_{};                         // when that was said
  std::optional<Result<replay::CloneResult>> clone_;  // once it has ended

  // Facts, each set once and for good.
  std::optional<std::string> gone_;      // our engine ended, and how
  std::optional<Status> lost_;           // the connection ended, and why
  std::optional<std::string> peer_bye_;  // the backup's reason
  std::optional<std::string> disable_;   // the operator's reason
  std::optional<Status> damage_;         // our ring is no log any more
  bool guest_shutdown_ = false;
  bool ending_ = false;  // the loops must end
  // Facts that the script takes back.
  bool orphaned_ = false;
  bool stalled_ = false;  // gave the backup up for want of progress

  // Planned failover.
  bool handover_asked_ = false;
  bool handover_sent_ = false;
  std::optional<logchannel::wire::HandoverReply> handover_reply_;
  std::optional<Status> handover_result_;
  int failover_callers_ = 0;

  ProgressWatch progress_;
  LeaseGap lease_gap_;
  uint16_t peer_heartbeat_port_ = 0;  // 0 until HelloReply
  uint16_t clone_port_ = 0;
  bool compressed_ = false;  // agreed on in HelloReply
  uint64_t heartbeat_sequence_ = logchannel::FirstHeartbeatSequence();
  logchannel::HeartbeatOrder heartbeat_order_;

  std::shared_ptr<logchannel::Connection> connection_;
  std::unique_ptr<Contest> contest_;  // from HelloReply on
  std::unique_ptr<LogPump> pump_;     // from the clone on
  boost::asio::steady_timer beat_timer_;
  Tasks tasks_;
  std::unique_ptr<EngineWatch> engine_watch_;  // once protected
};

}  // namespace ft::primary
