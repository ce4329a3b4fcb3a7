// SPDX-License-Identifier: GPL-2.0-or-later
//
// Ftd: the daemon of one host and the one VM that it knows. It owns at most
// one side of a protection at a time and passes on what the world says to
// it. When it dies, all of it is gone but what it had written to its disk,
// and the engine, which is a process of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "fencing/test_and_set.h"
#include "primary/outlook.h"
#include "tests/sim/engine.h"
#include "tests/sim/network.h"

namespace ft::sim {

class BackupSide;
class PrimarySide;
class RecoverySide;
class World;

// How a side ended, as the host's state machine sees it.
struct SideEnd {
  // Who runs the VM here now: this engine, unprotected in `epoch`; or nobody.
  bool runs = false;
  uint64_t epoch = 0;
  // The VM died here and nobody else can have it: the record is to be freed.
  bool release_record = false;
  const char* why = "";
};

class Ftd {
 public:
  Ftd(World& world, int host);
  ~Ftd();

  // --- Its life.
  void Start();  // and recover, if there is an engine
  void Crash();
  // The disk loses what was not written through.
  void LosePower();

  // --- Verbs.
  bool Enable();  // false if there is nothing to protect, or it is already
  void Disable();
  void Failover();

  // --- The world's voice. A side that is gone hears nothing.
  void OnConnected(Connection* connection);
  void OnAccepted(Connection* connection);
  void OnFrame(Connection* connection, const Frame& frame);
  void OnConnectionLost(Connection* connection, const char* why);
  void OnBeat(const Beat& beat);
  void OnStoreAnswer(fencing::TestAndSetOutcome outcome);
  void OnStoreRead(bool ok, const std::optional<fencing::VmRecord>& record);
  void OnEngineAnswer(uint64_t side, Engine::Command command, uint64_t answer);
  void OnEngineExit(Engine* engine);
  void OnEngineOrphaned(Engine* engine);
  void OnEngineFollows(Engine* engine, uint64_t position);
  void OnEngineLive(uint64_t side);
  // The engine moved a position.
  void RingDoorbell();

  // --- The sides' own.
  uint64_t side_id() const { return side_id_; }
  void EndSide(const SideEnd& end);
  // Calls the side's Script() after `delay`, if it is still the same side.
  void ScriptIn(Time delay);
  fencing::Instant Now() const;

  // --- For whoever watches the world.
  bool idle() const;
  bool alone() const { return alone_; }  // runs the VM unprotected
  const PrimarySide* primary() const { return primary_.get(); }
  const BackupSide* backup() const { return backup_.get(); }
  const RecoverySide* recovery() const { return recovery_.get(); }
  uint64_t epoch() const { return epoch_; }

  Process process;

 private:
  struct Saved {
    uint64_t epoch = 0;
    bool runs = false;
  };
  void Persist();
  void NewSide();
  void BeatLoop();
  void Script();

  World& world_;
  const int host_;
  uint64_t side_id_ = 0;
  bool alone_ = false;
  uint64_t epoch_ = 0;  // in which it runs the VM, or ran it last
  Saved written_, durable_;
  bool doorbell_due_ = false;
  std::unique_ptr<PrimarySide> primary_;
  std::unique_ptr<BackupSide> backup_;
  std::unique_ptr<RecoverySide> recovery_;
  // Over, and for a moment still on the stack.
  std::unique_ptr<PrimarySide> ended_;
  std::unique_ptr<BackupSide> ended_backup_;
  std::unique_ptr<RecoverySide> ended_recovery_;
};

}  // namespace ft::sim
