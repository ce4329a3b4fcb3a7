// SPDX-License-Identifier: GPL-2.0-or-later
//
// One direction of a cable that misbehaves (impairment.h): frames in, frames
// out at their times. Pure: a function of time, frames and the seed.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "tests/chaos/impairment.h"
#include "tests/chaos/tcp_injector.h"

namespace ft::chaos {

using Frame = std::vector<uint8_t>;

class LinkDirection {
 public:
  // Frames that are kept at most: 100 ms at 300 Mbit/s of small ones. More
  // are dropped.
  static constexpr size_t kFramesMax = 40'000;

  explicit LinkDirection(uint64_t seed) : random_(seed), injector_(seed) {}

  // In force for frames that arrive from now on.
  void Set(const Impairment& impairment) { impairment_ = impairment; }
  TcpInjector& injector() { return injector_; }

  // A frame arrived. Times are of one clock that never goes back.
  void Accept(int64_t now_ns, Frame frame);
  // When the next frame is to leave; nothing if none waits.
  std::optional<int64_t> NextDue() const;
  // The next frame that is to leave at `now_ns` or before.
  std::optional<Frame> Take(int64_t now_ns);
  // One that could not be sent after all.
  void CountUnsent() {
    --counts_.forwarded;
    ++counts_.overflowed;
  }

  LinkCounts counts() const;

 private:
  struct Waiting {
    int64_t due_ns;
    uint64_t number;  // of equal times the one that came first
    Frame frame;
  };
  // For the heap functions: the next one to leave is in front.
  static bool Later(const Waiting& a, const Waiting& b) {
    return a.due_ns != b.due_ns ? a.due_ns > b.due_ns : a.number > b.number;
  }

  bool Chance(double probability);
  int64_t DelayNs();
  // When a frame leaves the line that is ready at `due_ns`; nothing if it
  // would wait too long.
  std::optional<int64_t> ThroughLine(int64_t due_ns, size_t bytes);
  void Queue(int64_t due_ns, Frame frame);

  std::mt19937_64 random_;
  TcpInjector injector_;
  Impairment impairment_;
  LinkCounts counts_;
  std::vector<Waiting> queue_;  // a heap by Later
  uint64_t number_ = 0;
  int64_t last_due_ns_ = INT64_MIN;      // of frames that keep their order
  int64_t line_free_at_ns_ = INT64_MIN;  // with mbit_per_s
};

}  // namespace ft::chaos
