// SPDX-License-Identifier: GPL-2.0-or-later
//
// BackupSide: backup/backup_agent's script, as a state machine. What it
// decides comes from production code: CheckHello, Entitlement, NextTurn,
// EngineWatchdog, Contender, LeaseGrant.
#pragma once

#include <deque>
#include <optional>

#include "backup/entitlement.h"
#include "backup/outlook.h"
#include "fencing/contender.h"
#include "fencing/engine_watchdog.h"
#include "fencing/output_lease.h"
#include "tests/sim/ftd.h"

namespace ft::sim {

class BackupSide {
 public:
  enum class Phase {
    kAdmitting,
    kWatching,  // starting, or protected
    kDeciding,
    kLeaving,  // Bye was said; waits for the primary to hang up
    kGoingLive,
  };

  BackupSide(World& world, Ftd& ftd, int host, Connection* connection);

  void OnFrame(const Frame& frame);
  void OnConnectionLost();
  void OnBeat(const Beat& beat);
  void OnStoreAnswer(fencing::TestAndSetOutcome outcome);
  void OnStoreRead(bool ok, const std::optional<fencing::VmRecord>& record);
  void OnEngineExit();
  void OnEngineFollows(uint64_t position);
  void OnEngineLive();
  void OnEngineAnswer();
  void Replayed();
  void Script();
  void Beats();

  Phase phase() const { return phase_; }
  uint64_t epoch() const { return epoch_; }
  const backup::Entitlement& entitlement() const { return entitlement_; }
  const fencing::Contender* contender() const {
    return contender_ ? &*contender_ : nullptr;
  }
  bool entitled() const { return entitled_; }
  const Engine* engine() const { return engine_; }
  const Connection* connection() const { return connection_; }

 private:
  using Action = fencing::Action;
  void Send(Frame frame);
  void Greeted(const Frame& hello);
  Status Take(const Frame& frame);
  Status TakeEntries(const Frame& frame);
  void Acknowledge();
  bool may_take() const;
  void Look();
  void WatchEngine();
  bool engine_silent();
  bool Drained();
  void Do(const Action& action);
  void WatchOrWait();
  void Leave();
  void GoLive(uint64_t epoch);
  void Over(SideEnd end);

  World& world_;
  Ftd& ftd_;
  const int host_;
  Connection* connection_;
  Engine* engine_ = nullptr;
  uint64_t epoch_ = 0;
  Phase phase_ = Phase::kAdmitting;
  fencing::Instant deadline_{};
  fencing::Instant read_again_{};  // the record, while there is no carrier

  backup::Entitlement entitlement_;
  std::optional<fencing::EngineWatchdog> watchdog_;  // once entitled
  bool asking_ = false;
  std::optional<fencing::Contender> contender_;
  fencing::LeaseGrant lease_;
  uint64_t beat_ = 0, heard_beat_ = 0;
  fencing::Instant acknowledged_at_{};
  std::deque<Frame> early_;  // that came before the engine follows

  bool entitled_ = false;
  bool gone_ = false, lost_ = false, broken_ = false, bye_ = false;
  std::optional<fencing::Instant> handover_asked_;
  bool handover_ = false;
  bool live_asked_ = false;
  uint64_t won_ = 0;
  uint64_t told_replayed_ = 0;
};

}  // namespace ft::sim
