// SPDX-License-Identifier: GPL-2.0-or-later
//
// RecoverySide: primary/recover.cc as a state machine: an ftd that died and
// came back, and the live, recording engine that it finds. JudgeRecovery and
// Contender decide.
#pragma once

#include <optional>

#include "fencing/contender.h"
#include "tests/sim/ftd.h"

namespace ft::sim {

class RecoverySide {
 public:
  RecoverySide(World& world, Ftd& ftd, int host);

  void OnStoreAnswer(fencing::TestAndSetOutcome outcome);
  void OnStoreRead(bool ok, const std::optional<fencing::VmRecord>& record);
  void OnEngineAnswer(Engine::Command command);
  void OnEngineExit();
  void Script();
  void Beats();

 private:
  void Do(const fencing::Action& action);
  void RunOn(uint64_t epoch);

  World& world_;
  Ftd& ftd_;
  const int host_;
  Engine& engine_;
  std::optional<fencing::Contender> contender_;
  fencing::Instant read_again_{};
  bool reading_ = false;
  SideEnd end_;
};

}  // namespace ft::sim
