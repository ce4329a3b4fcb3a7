// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/ftd.h"

#include "tests/sim/backup_side.h"
#include "tests/sim/primary_side.h"
#include "tests/sim/recovery_side.h"
#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr Time kBeat = 50 * kMs;

}  // namespace

Ftd::Ftd(World& world, int host) : world_(world), host_(host) {}
Ftd::~Ftd() = default;

fencing::Instant Ftd::Now() const { return world_.LocalNow(host_); }

bool Ftd::idle() const { return !primary_ && !backup_ && !recovery_; }

void Ftd::NewSide() { side_id_ = world_.next_side++; }

// --- Life.

void Ftd::Start() {
  process.Start();
  doorbell_due_ = false;
  BeatLoop();
  Engine* engine = world_.hosts[host_].engine;
  world_.Note(host_, "ftd starts, it had written epoch %1", written_.epoch);
  if (engine == nullptr || !engine->running()) return;
  if (engine->mode() != Engine::Mode::kRecording) {
    engine->Die("engine of a former backup quits");
    return;
  }
  NewSide();
  recovery_ = std::make_unique<RecoverySide>(world_, *this, host_);
}

void Ftd::Crash() {
  if (!process.alive) return;
  if (backup_) world_.invariants.OnRenounced(host_, backup_->epoch());
  process.alive = false;
  world_.network.CloseAll(host_);
  primary_.reset();
  backup_.reset();
  recovery_.reset();
  side_id_ = 0;
  alone_ = false;
}

void Ftd::LosePower() { written_ = durable_; }

// The kernel writes it through some time later.
void Ftd::Persist() {
  written_ = {.epoch = epoch_, .runs = alone_ || primary_ != nullptr};
  const Time delay = world_.random.Between(1, 40) * kMs;
  world_.schedule.In(delay, [this, saved = written_] {
    if (world_.hosts[host_].powered && saved.epoch >= durable_.epoch) {
      durable_ = saved;
    }
  });
}

// The engine's beat and the heartbeats, and a look at everything.
void Ftd::BeatLoop() {
  if (primary_) primary_->Beats();
  if (backup_) backup_->Beats();
  if (recovery_) recovery_->Beats();
  Script();
  world_.schedule.In(process, kBeat, [this] { BeatLoop(); });
}

void Ftd::Script() {
  if (primary_) {
    primary_->Script();
  } else if (backup_) {
    backup_->Script();
  } else if (recovery_) {
    recovery_->Script();
  }
}

void Ftd::ScriptIn(Time delay) {
  world_.schedule.In(process, delay, [this, side = side_id_] {
    if (side == side_id_) Script();
  });
}

void Ftd::EndSide(const SideEnd& end) {
  world_.Note(host_, end.why[0] ? end.why : "side over", end.epoch);
  // Its own frames are on the stack: it is destroyed a moment later.
  side_id_ = 0;
  epoch_ = std::max(epoch_, end.epoch);
  alone_ = end.runs;
  ended_ = std::move(primary_);
  ended_backup_ = std::move(backup_);
  ended_recovery_ = std::move(recovery_);
  Persist();
  if (end.release_record) world_.store.Release(host_, end.epoch);
  world_.schedule.In(process, 1, [this] {
    ended_.reset();
    ended_backup_.reset();
    ended_recovery_.reset();
  });
}

// --- Verbs.

bool Ftd::Enable() {
  const Engine* engine = world_.hosts[host_].engine;
  if (!process.alive || !idle() || !alone_ || !engine->running()) return false;
  NewSide();
  primary_ = std::make_unique<PrimarySide>(world_, *this, host_, epoch_);
  world_.Note(host_, "enables protection in epoch %1", epoch_);
  return true;
}

void Ftd::Disable() {
  if (process.alive && primary_) primary_->Disable();
}

void Ftd::Failover() {
  if (process.alive && primary_) primary_->Failover();
}

// --- The world's voice.

void Ftd::OnConnected(Connection* connection) {
  if (primary_ && primary_->connection() == nullptr) {
    primary_->OnConnected(connection);
  } else if (connection != nullptr) {
    world_.network.Close(connection, host_);
  }
}

// One protection at a time: a second one is refused by hanging up, as is
// anything while this host runs the VM itself.
void Ftd::OnAccepted(Connection* connection) {
  if (!idle() || alone_) return world_.network.Close(connection, host_);
  NewSide();
  backup_ = std::make_unique<BackupSide>(world_, *this, host_, connection);
}

void Ftd::OnFrame(Connection* connection, const Frame& frame) {
  if (primary_ && primary_->connection() == connection) {
    primary_->OnFrame(frame);
  } else if (backup_ && backup_->connection() == connection) {
    backup_->OnFrame(frame);
  }
}

void Ftd::OnConnectionLost(Connection* connection, const char* why) {
  world_.Note(host_, why);
  if (primary_ && primary_->connection() == connection) {
    primary_->OnConnectionLost();
  } else if (backup_ && backup_->connection() == connection) {
    backup_->OnConnectionLost();
  }
}

void Ftd::OnBeat(const Beat& beat) {
  if (primary_) primary_->OnBeat(beat);
  if (backup_) backup_->OnBeat(beat);
}

void Ftd::OnStoreAnswer(fencing::TestAndSetOutcome outcome) {
  if (primary_) {
    primary_->OnStoreAnswer(outcome);
  } else if (backup_) {
    backup_->OnStoreAnswer(outcome);
  } else if (recovery_) {
    recovery_->OnStoreAnswer(outcome);
  }
}

void Ftd::OnStoreRead(bool ok, const std::optional<fencing::VmRecord>& record) {
  if (primary_) {
    primary_->OnStoreRead(ok, record);
  } else if (backup_) {
    backup_->OnStoreRead(ok, record);
  } else if (recovery_) {
    recovery_->OnStoreRead(ok, record);
  }
}

void Ftd::OnEngineAnswer(uint64_t side, Engine::Command command,
                         uint64_t answer) {
  if (side != side_id_) return;
  if (primary_) primary_->OnEngineAnswer(command, answer);
  if (backup_ && command == Engine::Command::kQuery) backup_->OnEngineAnswer();
  if (recovery_) recovery_->OnEngineAnswer(command);
}

void Ftd::OnEngineExit(Engine* engine) {
  if (world_.hosts[host_].engine != engine) return;
  if (primary_) {
    primary_->OnEngineExit();
  } else if (backup_ && backup_->engine() == engine) {
    backup_->OnEngineExit();
  } else if (recovery_) {
    recovery_->OnEngineExit();
  } else if (alone_) {
    // Nobody else can be live: the record is free.
    alone_ = false;
    world_.store.Release(host_, epoch_);
  }
}

void Ftd::OnEngineOrphaned(Engine* engine) {
  if (primary_ && world_.hosts[host_].engine == engine) {
    primary_->OnEngineOrphaned();
  }
}

void Ftd::OnEngineFollows(Engine* engine, uint64_t position) {
  if (backup_ && backup_->engine() == engine) {
    backup_->OnEngineFollows(position);
  }
}

void Ftd::OnEngineLive(uint64_t side) {
  if (backup_ && side == side_id_) backup_->OnEngineLive();
}

void Ftd::RingDoorbell() {
  if (!process.alive || doorbell_due_) return;
  doorbell_due_ = true;
  world_.schedule.In(process, 20 * kUs, [this] {
    doorbell_due_ = false;
    if (primary_) primary_->Pump();
    if (backup_) backup_->Replayed();
  });
}

}  // namespace ft::sim
