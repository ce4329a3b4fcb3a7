// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/engine.h"

#include "logchannel/check.h"
#include "tests/sim/ftd.h"
#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr Time kOrphaned = 2 * kSecond;
constexpr uint64_t kRequestBit = 1ull << 63;

uint64_t RequestEntry(int client, uint64_t number) {
  return kRequestBit | uint64_t(client) << 48 | number;
}

}  // namespace

Engine::Engine(World& world, int host_number)
    : host(host_number), world_(world) {
  process.Start();
  world_.schedule.In(process, 100 * kMs, [this] { Watchdog(); });
}

void Engine::StartVm(uint64_t epoch) {
  mode_ = Mode::kRecording;
  epoch_ = epoch;
  base_ = consumed_ = acknowledged_ = 1000;
  guest_runs_ = true;
  Tick();
}

void Engine::AwaitClone() { mode_ = Mode::kIncoming; }

void Engine::Die(const char* why) {
  if (!process.alive) return;
  process.alive = false;
  world_.Note(host, why);
  Ftd* ftd = world_.hosts[host].ftd.get();
  if (!ftd->process.alive) return;
  world_.schedule.In(ftd->process, 100 * kUs,
                     [ftd, this] { ftd->OnEngineExit(this); });
}

void Engine::Kill(const char* why) {
  const Time wakes = process.frozen_until;
  if (!process.alive || !uninterruptible || wakes <= world_.now()) {
    return Die(why);
  }
  ++process.incarnation;  // whatever it was about to do
  world_.Note(host, "engine does not end");
  world_.schedule.In(process, 0, [this, why] { Die(why); });
}

// --- The guest.

// A request that came before is answered again and changes nothing.
void Engine::Execute(uint64_t entry, uint64_t position) {
  state_ = Random::Mix(state_ ^ entry);
  if ((entry & kRequestBit) == 0) return;
  const int client = static_cast<int>(entry >> 48 & 0x7fff);
  const uint64_t number = entry & 0xffffffffffff;
  if (number < newest_request_[client]) return;
  if (number > newest_request_[client]) {
    newest_request_[client] = number;
    newest_place_[client] = history_.size();
    history_.push_back(Random::Mix(state_) | 1);
  }
  const uint64_t place = newest_place_[client];
  const Output output{position, client, number, place, history_[place]};
  if (mode_ == Mode::kRecording && !holding_) {
    Release(output);
  } else {
    outputs_.push_back(output);
  }
}

void Engine::Record(uint64_t entry) {
  log_.push_back(entry);
  Execute(entry, committed());
  if (!keeping_) acknowledged_ = committed();
  if (keeping_) world_.hosts[host].ftd->RingDoorbell();
  TryRelease();
}

void Engine::OnRequest(int client, uint64_t number) {
  if (mode_ != Mode::kRecording || !guest_runs_) return;
  Record(RequestEntry(client, number));
}

// Timers of the guest; digests make them at least ten a second. The rest
// that the pace asks for makes them rarer.
void Engine::Tick() {
  if (mode_ != Mode::kRecording) return;
  if (guest_runs_) Record(world_.random.Next() & ~kRequestBit);
  Time next = world_.random.Between(20, keeping_ ? 80 : 150) * kMs;
  next = next * 1000 / (1000 - pace_);
  world_.schedule.In(process, std::min(next, 100 * kMs), [this] { Tick(); });
}

// --- Outputs.

void Engine::Acknowledge(uint64_t position) {
  FT_CHECK(position <= committed()) << position << " of " << committed();
  acknowledged_ = std::max(acknowledged_, position);
  if (!process.alive || release_due_) return;
  release_due_ = true;
  world_.schedule.In(process, 10 * kUs, [this] {
    release_due_ = false;
    TryRelease();
  });
}

void Engine::TryRelease() {
  const Planted planted = world_.options.planted;
  if (mode_ != Mode::kRecording) return;
  while (!outputs_.empty()) {
    const bool free = !holding_ || planted == Planted::kReleaseBeforeAck ||
                      (outputs_.front().tag <= acknowledged_ &&
                       (planted == Planted::kNoOutputLease ||
                        world_.LocalNow(host) < lease_until_));
    if (!free) return;
    const Output output = outputs_.front();
    outputs_.pop_front();
    Release(output);
  }
}

void Engine::Release(const Output& output) {
  released_ = std::max(released_, output.tag);
  world_.OnOutput(host, *this, output.tag, holding_,
                  {output.client, output.number, output.place, output.content});
}

// --- The clone and what follows.

void Engine::Append(const Engine& from, uint64_t first, uint64_t end) {
  FT_CHECK(first == committed() && end <= from.committed())
      << first << " behind " << committed();
  const auto begin = from.log_.begin() + (first - from.base_);
  log_.insert(log_.end(), begin, begin + (end - first));
  ReplaySoon();
}

void Engine::ReplaySoon() {
  if (replay_due_ || !process.alive) return;
  replay_due_ = true;
  const Time delay = slow ? world_.random.Between(50, 400) * kMs
                          : world_.random.Between(50, 2000) * kUs;
  world_.schedule.In(process, delay, [this] { ReplaySome(); });
}

void Engine::ReplaySome() {
  replay_due_ = false;
  if (mode_ != Mode::kReplaying) return;
  const uint64_t before = consumed_;
  while (consumed_ < committed()) {
    const uint64_t entry = log_[consumed_ - base_];
    Execute(entry, ++consumed_);
  }
  while (!outputs_.empty() && outputs_.front().tag <= peer_released_) {
    outputs_.pop_front();
  }
  if (consumed_ > before) world_.hosts[host].ftd->RingDoorbell();
  if (live_side_ != 0 && consumed_ >= live_at_) SwitchToLive();
}

void Engine::SwitchToLive() {
  mode_ = Mode::kRecording;
  guest_runs_ = true;
  holding_ = keeping_ = false;
  acknowledged_ = committed();
  ++epoch_;
  world_.OnEngineLive(host, *this);
  TryRelease();
  Ftd* ftd = world_.hosts[host].ftd.get();
  if (ftd->process.alive) {
    world_.schedule.In(ftd->process, 100 * kUs,
                       [ftd, side = live_side_] { ftd->OnEngineLive(side); });
  }
  live_side_ = 0;
  world_.schedule.In(process, 10 * kMs, [this] { Tick(); });
}

// --- Commands.

void Engine::Ask(Command command, uint64_t side, uint64_t argument,
                 Engine* target) {
  if (!process.alive) return;  // the answer is its exit
  // Fixed for a question, so that asking it draws no other run.
  const Time delay = command == Command::kQuery
                         ? 300 * kUs
                         : world_.random.Between(100, 600) * kUs;
  world_.schedule.In(process, delay,
                     [=, this] { Carry(command, side, argument, target); });
}

void Engine::Carry(Command command, uint64_t side, uint64_t argument,
                   Engine* target) {
  uint64_t answer = committed();
  switch (command) {
    case Command::kClone: {
      const Time copy = world_.random.Between(20, 200) * kMs;
      world_.schedule.In(process, copy,
                         [this, side, target] { FinishClone(side, target); });
      return;
    }
    case Command::kQuery:
      break;
    case Command::kProtect:
      holding_ = true;
      break;
    case Command::kUnprotect:
      holding_ = keeping_ = false;
      orphaned_ = false;
      guest_runs_ = true;
      epoch_ = argument;
      acknowledged_ = committed();
      world_.OnUnprotected(host, *this);
      TryRelease();
      break;
    case Command::kStop:
      guest_runs_ = argument != 0;  // stop, cont
      break;
    case Command::kGoLive:
      live_side_ = side;
      live_at_ = argument;
      if (world_.options.planted == Planted::kGoLiveWithoutDraining ||
          consumed_ >= live_at_) {
        SwitchToLive();
      } else {
        ReplaySoon();
      }
      return;
  }
  world_.EngineAnswers(host, side, command, answer);
}

// The stream crossed the network, or did not.
void Engine::FinishClone(uint64_t side, Engine* target) {
  const bool arrived = target->process.alive &&
                       target->mode_ == Mode::kIncoming &&
                       !world_.network.cut(host) &&
                       world_.hosts[target->host].kernel_runs(world_.now());
  if (!arrived) {
    world_.EngineAnswers(host, side, Command::kClone, 0);
    return;
  }
  keeping_ = true;
  target->base_ = target->consumed_ = target->acknowledged_ = committed();
  target->log_.clear();
  target->state_ = state_;
  target->history_ = history_;
  target->newest_request_ = newest_request_;
  target->newest_place_ = newest_place_;
  target->epoch_ = epoch_;
  target->mode_ = Mode::kReplaying;
  Ftd* theirs = world_.hosts[target->host].ftd.get();
  if (theirs->process.alive) {
    world_.schedule.In(theirs->process, world_.random.Between(50, 900) * kUs,
                       [theirs, target, at = committed()] {
                         theirs->OnEngineFollows(target, at);
                       });
  }
  world_.EngineAnswers(host, side, Command::kClone, committed());
}

// The orphan rule.
void Engine::Watchdog() {
  const fencing::Instant now = world_.LocalNow(host);
  if (seen_beat_ != beat_) {
    seen_beat_ = beat_;
    seen_beat_at_ = now;
  }
  const bool still = seen_beat_at_ != fencing::Instant{} &&
                     now - seen_beat_at_ >= std::chrono::nanoseconds(kOrphaned);
  if (still && mode_ != Mode::kRecording) {
    Die("replaying engine without ftd ends");
    return;
  }
  if (still && holding_ && !orphaned_) {
    orphaned_ = true;
    guest_runs_ = false;
    world_.Note(host, "engine without ftd pauses its VM");
    Ftd* ftd = world_.hosts[host].ftd.get();
    if (ftd->process.alive) {
      world_.schedule.In(ftd->process, 100 * kUs,
                         [ftd, this] { ftd->OnEngineOrphaned(this); });
    }
  }
  world_.schedule.In(process, 100 * kMs, [this] { Watchdog(); });
}

}  // namespace ft::sim
