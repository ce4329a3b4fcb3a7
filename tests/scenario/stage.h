// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stage: the simulated world of tests/sim with the faults in the hands of a
// test, which then reads as stage directions. hostA runs the VM; clients
// write all the time; every invariant is checked after every step, and when
// the curtain falls nobody may be stuck.
#pragma once

#include <gtest/gtest.h>

#include "tests/sim/backup_side.h"
#include "tests/sim/options.h"
#include "tests/sim/primary_side.h"
#include "tests/sim/recovery_side.h"
#include "tests/sim/world.h"

namespace ft::sim {

constexpr int kA = 0, kB = 1;

class Stage : public testing::Test {
 protected:
  // The curtain: faults end, everybody decides, and the watch judges.
  void TearDown() override {
    world_.Heal();
    world_.RunUntil(world_.thawed_at() + 5 * kSecond);
    world_.excused = true;  // what may be lost is each scenario's to say
    world_.Judge();
    ASSERT_FALSE(world_.violation()) << world_.violation()->what << "\n"
                                     << world_.trace.Tell(60);
  }

  // --- Directions.
  void Enable(int host) { ASSERT_TRUE(world_.hosts[host].ftd->Enable()); }
  void Protect() {
    Enable(kA);
    ASSERT_TRUE(Until([this] { return Protected(kA); })) << Story();
    RunFor(300 * kMs);
  }
  void CutLink() {
    world_.network.Cut(kA);
    world_.network.Cut(kB);
  }
  void CutFrom(int host) { world_.network.Cut(host); }
  void HealLink() { world_.network.Heal(); }
  void StoreIs(int host, const Store::Weather& weather) {
    world_.store.SetWeather(host, weather);
  }
  void FreezeEverything(int host, Time time) {
    world_.FreezeFtd(host, time);
    world_.FreezeEngine(host, time);
  }
  void RunFor(Time time) { world_.RunFor(time); }
  template <typename Ready>
  bool Until(Ready ready, Time patience = 10 * kSecond) {
    return world_.RunUntilHolds(ready, patience);
  }

  // --- What the audience sees.
  bool Protected(int host) {
    const PrimarySide* side = world_.hosts[host].ftd->primary();
    return side != nullptr && side->is_protected();
  }
  // Runs the VM, unprotected, and answers.
  bool Alone(int host) {
    const Engine* engine = world_.hosts[host].engine;
    return engine != nullptr && engine->serves() && world_.serving() == engine;
  }
  bool Runs(int host) {
    const Engine* engine = world_.hosts[host].engine;
    return engine != nullptr && engine->running();
  }
  bool Idle(int host) { return world_.hosts[host].ftd->idle(); }
  uint64_t Answered() { return world_.clients.answered(); }
  fencing::VmRecord Record() { return world_.store.record(); }
  std::string Story() { return world_.trace.Tell(60); }

  World world_{Options{.seed = 7}};
};

}  // namespace ft::sim
