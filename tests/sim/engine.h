// SPDX-License-Identifier: GPL-2.0-or-later
//
// Engine: a model of the patched QEMU as docs/engine.md describes it, with a
// guest that is a deterministic machine. One log entry is one event (a
// client's request, or a tick with a number that cannot be predicted); a
// position is a count of entries. The guest appends each request to a
// history whose contents depend on everything before; its output is the
// answer {place, content}.
//
// As in the real one: outputs are tagged with the position behind their
// entry; held ones leave when that is acknowledged, while the output lease
// lasts; a clone starts where its source stood; a replaying engine keeps
// outputs that the primary may not have sent; go live drains the log first;
// an engine that holds outputs, or replays, and whose ftd's beat stands still
// for two seconds pauses, or ends. What ftd may read and write is the ring's.
//
// Not modelled: a ring that is full, divergence, outputs of several devices.
#pragma once

#include <array>
#include <deque>
#include <vector>

#include "fencing/failure_detector.h"
#include "tests/sim/schedule.h"

namespace ft::sim {

class World;
constexpr int kClients = 2;

class Engine {
 public:
  enum class Mode { kIncoming, kReplaying, kRecording };

  Engine(World& world, int host);
  Engine(const Engine&) = delete;

  // --- Its life. Engines are never destroyed within a run.
  void StartVm(uint64_t epoch);  // records at once
  void AwaitClone();
  // It has ended: by SIGKILL, by itself. ftd hears of it.
  void Die(const char* why);
  // SIGKILL. In uninterruptible sleep it executes nothing more, and ends when
  // it wakes.
  void Kill(const char* why);

  // --- The ring, which outlives both processes.
  uint64_t committed() const { return base_ + log_.size(); }
  uint64_t consumed() const { return consumed_; }
  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t released() const { return released_; }
  bool holding() const { return holding_; }
  bool keeping() const { return keeping_; }
  Mode mode() const { return mode_; }
  void Acknowledge(uint64_t position);
  void SetLease(fencing::Instant until) { lease_until_ = until; }
  void SetPace(uint32_t permille) { pace_ = permille; }
  void Beat() { ++beat_; }
  // Replaying: takes the entries [first, end) of the primary's log.
  void Append(const Engine& from, uint64_t first, uint64_t end);
  void SetPeerReleased(uint64_t position) { peer_released_ = position; }

  // --- Commands; each is answered to Ftd::OnEngineAnswer of that side.
  enum class Command { kClone, kProtect, kUnprotect, kStop, kGoLive, kQuery };
  void Ask(Command command, uint64_t side, uint64_t argument = 0,
           Engine* target = nullptr);

  // --- The outside.
  void OnRequest(int client, uint64_t number);

  // --- For whoever watches the world.
  bool running() const { return process.alive; }
  bool guest_runs() const { return guest_runs_; }
  uint64_t epoch() const { return epoch_; }
  const std::vector<uint64_t>& history() const { return history_; }
  size_t held() const { return outputs_.size(); }
  // Live, and nothing keeps its answers back.
  bool serves() const {
    return running() && mode_ == Mode::kRecording && !holding_ && guest_runs_;
  }

  Process process;
  const int host;
  bool slow = false;             // replays a second late
  bool uninterruptible = false;  // while it is frozen

 private:
  struct Output {
    uint64_t tag;
    int client;
    uint64_t number, place, content;
  };

  void Record(uint64_t entry);
  void Execute(uint64_t entry, uint64_t position);
  void Tick();
  void ReplaySome();
  void ReplaySoon();
  void TryRelease();
  void Release(const Output& output);
  void Watchdog();
  void Carry(Command command, uint64_t side, uint64_t argument, Engine* target);
  void FinishClone(uint64_t side, Engine* target);
  void SwitchToLive();

  World& world_;
  Mode mode_ = Mode::kIncoming;
  uint64_t epoch_ = 0;

  std::vector<uint64_t> log_;
  uint64_t base_ = 0;
  uint64_t consumed_ = 0, acknowledged_ = 0, released_ = 0;
  uint64_t peer_released_ = 0;
  bool holding_ = false, keeping_ = false;
  fencing::Instant lease_until_{};
  uint32_t pace_ = 0;
  uint64_t beat_ = 0, seen_beat_ = 0;
  fencing::Instant seen_beat_at_{};
  bool orphaned_ = false;

  bool guest_runs_ = false;
  uint64_t state_ = 1;
  std::vector<uint64_t> history_;
  std::array<uint64_t, kClients> newest_request_{}, newest_place_{};

  std::deque<Output> outputs_;  // held, or kept by a replaying engine
  bool replay_due_ = false;
  bool release_due_ = false;
  // x-ft-go-live is under way.
  uint64_t live_side_ = 0, live_at_ = 0;
};

}  // namespace ft::sim
