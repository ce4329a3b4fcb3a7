// SPDX-License-Identifier: GPL-2.0-or-later
//
// PrimarySide: primary/primary_agent's script, as a state machine. What it
// decides comes from production code: Protection, LagMeter, PacePermille,
// NextTurn, LastWordOf, ProgressWatch, EngineWatchdog, Contender, OutputLease.
// Here is only the order in which the agent's coroutines use them, and their
// deadlines.
#pragma once

#include <optional>

#include "fencing/contender.h"
#include "fencing/engine_watchdog.h"
#include "fencing/output_lease.h"
#include "primary/lag_meter.h"
#include "primary/outlook.h"
#include "primary/protection.h"
#include "tests/sim/ftd.h"

namespace ft::sim {

class PrimarySide {
 public:
  enum class Phase {
    kConnecting,
    kGreeting,
    kCloning,
    kCatchingUp,
    kProtecting,  // x-ft-protect is under way
    kWatching,
    kDeciding,
    kUndoing,   // Bye before Protect, waits for its answer
    kEnding,    // the operator's Bye, waits for its answer
    kDraining,  // the VM died: the rest of the log goes out
    kTelling,   // Bye or VmGone was said
    kKilling,   // gave its engine up, waits for its end
    kPausing,   // handover: the VM pauses, the log is acknowledged
    kAwaitingHandover,
    kUnprotecting,  // the engine lets go; then this side is over
  };

  PrimarySide(World& world, Ftd& ftd, int host, uint64_t epoch);

  void OnConnected(Connection* connection);
  void OnFrame(const Frame& frame);
  void OnConnectionLost();
  void OnBeat(const Beat& beat);
  void OnStoreAnswer(fencing::TestAndSetOutcome outcome);
  void OnStoreRead(bool ok, const std::optional<fencing::VmRecord>& record);
  void OnEngineAnswer(Engine::Command command, uint64_t answer);
  void OnEngineExit();
  void OnEngineOrphaned();
  void Pump();
  void Script();
  void Beats();
  void Disable();
  void Failover();

  Phase phase() const { return phase_; }
  uint64_t epoch() const { return epoch_; }
  const primary::Protection& protection() const { return protection_; }
  const fencing::Contender* contender() const {
    return contender_ ? &*contender_ : nullptr;
  }
  bool is_protected() const {
    return protection_.phase() == primary::Protection::Phase::kProtected;
  }
  const Connection* connection() const { return connection_; }

 private:
  using Action = fencing::Action;
  void Send(Frame frame);
  bool Trouble();
  void CatchUp();
  void Look();
  void NoteProgress();
  void SetPace();
  void Do(const Action& action);
  void WatchOrWait();
  void Undo();
  void Alone(uint64_t epoch, const char* why);
  void Halted(const Action& action);
  void VmGone();
  void WatchEngine();
  void GiveEngineUp();
  void Tell(Frame::Type word);
  void HandOver();
  void TakeBack(const char* why);
  void Over(SideEnd end);
  void Await(Phase phase, std::chrono::milliseconds patience);
  bool late() { return ftd_.Now() >= deadline_; }
  void Kill();

  World& world_;
  Ftd& ftd_;
  Engine& engine_;
  const int host_;
  const uint64_t epoch_;
  Phase phase_ = Phase::kConnecting;
  Connection* connection_ = nullptr;
  fencing::Instant deadline_{};
  fencing::Instant read_again_{};  // the record, while there is no carrier

  primary::Protection protection_;
  primary::LagMeter lag_;
  primary::ProgressWatch progress_;
  std::optional<fencing::EngineWatchdog> watchdog_;  // once protected
  bool asking_ = false;
  std::optional<fencing::Contender> contender_;
  fencing::OutputLease lease_;
  uint64_t beat_ = 0, heard_beat_ = 0;

  bool gone_ = false, lost_ = false, peer_bye_ = false, disable_ = false;
  bool orphaned_ = false, stalled_ = false;
  bool handover_asked_ = false, handover_sent_ = false;
  std::optional<bool> handover_reply_;
  SideEnd end_;  // while unprotecting
};

}  // namespace ft::sim
