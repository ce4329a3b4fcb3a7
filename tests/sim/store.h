// SPDX-License-Identifier: GPL-2.0-or-later
//
// Store: the test-and-set as both hosts meet it: fencing's own store in
// memory, behind a network that is slow, loses requests or replies, and a
// caller that waits for a second and no longer (as AsyncTestAndSet does). A
// request that was given up may still be carried out, later. The store never
// lies.
//
// Planted faults sit here, at the seam between decisions and store.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "fencing/memory_test_and_set.h"
#include "tests/sim/options.h"
#include "tests/sim/schedule.h"

namespace ft::sim {

class World;

class Store {
 public:
  explicit Store(World& world) : world_(world) {}

  struct Weather {
    bool unreachable = false;
    bool loses_replies = false;
    Time slow = 0;  // up to so much more, each way
  };
  // As `host` meets it.
  void SetWeather(int host, const Weather& weather) {
    weather_[host] = weather;
  }

  // Ends in Ftd::OnStoreAnswer, OnStoreRead, unless the side is gone then.
  void Acquire(int host, uint64_t side, uint64_t epoch);
  void Read(int host, uint64_t side);
  void Release(int host, uint64_t epoch);

  // The record, for whoever watches the world.
  fencing::VmRecord record();
  // At once, without a network; for the beginning of a run.
  void Begin(int host);

 private:
  struct Question {
    int host;
    uint64_t side;
    uint64_t epoch;
    bool read;
    bool answered = false;
    fencing::TestAndSetOutcome outcome{};
    std::optional<fencing::VmRecord> record;
  };
  void Ask(const Question& question);
  void CarryOut(size_t number);
  void Answer(size_t number, bool in_time);
  Time Delay(int host);

  World& world_;
  fencing::MemoryTestAndSet memory_;
  std::array<Weather, 2> weather_;
  std::vector<Question> questions_;
};

}  // namespace ft::sim
