// SPDX-License-Identifier: GPL-2.0-or-later
//
// EngineWatchdog: whether this host's own engine stands still for good
// (SIGSTOP, a main loop that hangs, a device that never answers). Its ftd
// lives and is heard, so the peer suspects nobody: this host has to notice.
//
// Intuition. Two signs of life, either is enough:
//   * a position of the ring that only the engine moves has moved. Free, and
//     a guest that does anything moves one ten times a second (digests);
//   * the engine has answered x-ft-query. That takes its main loop and both
//     of its locks, so an idle guest, one that waits for a full ring or rests
//     for a slow backup still answers. It costs the guest an exit of its
//     vCPU, so it is asked only when a quarter of `silence` was silent.
// Silence counts only while we ourselves were listening: it is summed from
// look to look, and one gap adds at most `longest_gap`, as in
// failure_detector.h. An ftd that was stopped, or a host that was, accuses
// nobody.
//
//     T=0      500         ...          2000 ms   of 2000 ms silence
//     a sign   ask it      (asking)     silent
//
// Why 2000 ms. The longest that a healthy engine was seen not to answer is
// some 100 ms (the end of a clone, two busy cores); 2 s is twenty times that,
// and four times the silence that makes a peer suspect: hosts are lost more
// often than engines hang, and giving up an engine is never taken back.
// Clients' TCP bears it.
//
// Pure: time and signs come in, a verdict goes out. Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>

#include "fencing/failure_detector.h"

namespace ft::fencing {

struct EngineWatchdogOptions {
  // Without a sign for so long the engine is given up.
  std::chrono::milliseconds silence{2000};
  // The most that one gap between two looks adds to the silence: two beats.
  std::chrono::milliseconds longest_gap{100};
};

class EngineWatchdog {
 public:
  using Options = EngineWatchdogOptions;

  // The engine counts as alive at `now`.
  EngineWatchdog(const Options& options, Instant now);

  // At every beat. `mark` is any number that changes when the engine moves a
  // position of its own, and by nothing else. `now` never goes back
  // (FT_CHECK).
  void Look(Instant now, uint64_t mark);
  // The engine answered, in whatever words.
  void OnAnswer(Instant now);

  // It has been quiet: ask it something, if no question is open.
  bool wants_answer() const { return silence_ * 4 >= options_.silence; }
  // Give it up. Not latched: a sign that comes before anybody acted ends it.
  bool silent() const { return silence_ >= options_.silence; }
  // That we have listened to so far.
  std::chrono::nanoseconds silence() const { return silence_; }
  std::chrono::milliseconds limit() const { return options_.silence; }

 private:
  void Listen(Instant now);

  const Options options_;
  Instant last_;  // of the last look or answer. Monotonic
  uint64_t mark_ = 0;
  std::chrono::nanoseconds silence_{0};
};

}  // namespace ft::fencing
