// SPDX-License-Identifier: GPL-2.0-or-later
//
// World: two hosts, the network between them, the store, the clients, and
// the watch that is kept over them. One thread, one seed, one run.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fencing/invariants.h"
#include "tests/sim/clients.h"
#include "tests/sim/clock.h"
#include "tests/sim/engine.h"
#include "tests/sim/ftd.h"
#include "tests/sim/network.h"
#include "tests/sim/options.h"
#include "tests/sim/random.h"
#include "tests/sim/schedule.h"
#include "tests/sim/store.h"
#include "tests/sim/trace.h"

namespace ft::sim {

struct Host {
  std::string name;
  Clock clock;
  std::unique_ptr<Ftd> ftd;
  Engine* engine = nullptr;  // the newest, alive or not
  bool powered = true;
  Time kernel_frozen_until = 0;
  // The switch that clients are behind: what the host sees of it, and what
  // passes.
  bool carrier = true;
  bool reaches_clients = true;

  bool kernel_runs(Time now) const {
    return powered && kernel_frozen_until <= now;
  }
};

// What a side's answer to a client says.
struct Answer {
  int client;
  uint64_t number, place, content;
};

class World {
 public:
  explicit World(const Options& options);
  ~World();
  World(const World&) = delete;

  // --- Running.
  // Until `end` or a violation. False if there was one.
  bool RunUntil(Time end);
  bool RunFor(Time time) { return RunUntil(now() + time); }
  // Until `ready` holds; false if it does not within `patience`.
  template <typename Ready>
  bool RunUntilHolds(Ready ready, Time patience) {
    const Time end = now() + patience;
    while (!ready()) {
      if (schedule.empty() || schedule.next() > end) return false;
      if (!Step()) return false;
    }
    return true;
  }
  // Faults end: nothing is cut or slow; what died stays dead.
  void Heal();
  // When nothing is frozen any more.
  Time thawed_at() const;
  // The end of a run: nobody may be stuck, and what clients were told is
  // there. To be called some seconds after Heal().
  void Judge();
  const std::optional<fencing::Violation>& violation() const {
    return invariants.violation() ? invariants.violation() : stuck_;
  }
  Time now() const { return schedule.now(); }
  fencing::Instant LocalNow(int host) const {
    return hosts[host].clock.Read(now());
  }

  // --- Faults.
  void KillEngine(int host);
  void KillFtd(int host);
  void RestartFtd(int host);
  void KillHost(int host);
  void BootHost(int host);
  void FreezeEngine(int host, Time time, bool uninterruptible = false);
  void FreezeFtd(int host, Time time);
  void FreezeHost(int host, Time time);
  void Isolate(int host);  // its links are down and it sees it

  // --- What parts of the world tell it.
  void Note(int host, const char* what, uint64_t first = 0,
            uint64_t second = 0) {
    trace.Note(now(), host, what, first, second);
    if (++notes_ == ambush_at_) schedule.In(ambush_delay_, ambush_);
  }
  // `strike` happens `delay` after the note of that number: faults that wait
  // for the protocol to do something find what no random moment finds.
  void Ambush(uint64_t note, Time delay, Callback strike) {
    ambush_at_ = notes_ + note;
    ambush_delay_ = delay;
    ambush_ = strike;
  }
  Engine* LaunchEngine(int host);
  void OnOutput(int host, const Engine& engine, uint64_t tag, bool held,
                const Answer& answer);
  void OnEngineLive(int host, const Engine& engine);
  void OnUnprotected(int host, const Engine& engine);
  void EngineAnswers(int host, uint64_t side, Engine::Command command,
                     uint64_t answer);
  // `host` says that its VM is protected.
  void OnProtected(int host, uint64_t epoch);

  // The one that runs the VM for clients, if any.
  const Engine* serving() const;

  const Options options;
  Random random;
  Schedule schedule;
  Trace trace;
  Network network;
  Store store;
  std::array<Host, 2> hosts;
  Clients clients;
  fencing::Invariants invariants;
  const std::string vm_name = "vm1";
  uint64_t next_side = 1;

  // For Judge(): whether the VM may be lost.
  void CountFault();
  int faults() const { return faults_; }
  bool excused = false;  // an operator took protection away

 private:
  bool Step();
  void CheckPositions();
  void Stuck(const char* what);

  uint64_t notes_ = 0, ambush_at_ = 0;
  Time ambush_delay_ = 0;
  Callback ambush_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::optional<fencing::Violation> stuck_;
  bool told_ = false;               // of the output that broke an invariant
  int faults_ = 0;                  // of any kind, so far
  bool survives_one_fault_ = true;  // protected when the first one came
  uint64_t protected_epoch_ = 0;    // that an operator was told
};

}  // namespace ft::sim
