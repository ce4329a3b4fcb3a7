// SPDX-License-Identifier: GPL-2.0-or-later
//
// Injector: does the deeds of a run's plan to the processes, cables, storage
// and clocks of an arena, and undoes them. One per run, one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replay/busy_process.h"
#include "tests/chaos/arena.h"
#include "tests/chaos/duty_cycle.h"
#include "tests/chaos/link.h"
#include "tests/chaos/plan.h"

namespace ft::chaos {

class Injector {
 public:
  // `primary` runs the VM at the beginning of the run.
  Injector(Arena& arena, const Trial& trial, bed::Side primary, uint64_t seed);

  // Puts into the cables what will misbehave in them, before the run's time
  // begins: that takes them out of service for some 10 ms.
  void PutLinksIn();

  void Begin(const Fault& fault);
  // Nothing where it cannot be undone.
  void End(const Fault& fault);
  // Ends what has begun and not ended, takes the links out, and starts what
  // is dead again. One line for each ftd that ended by itself or does not
  // start.
  std::vector<std::string> Heal();

  // Waits for ftctl failover's end; "" if it went well, or was not typed.
  std::string MoveError();

  // The host that a fault falls on; of kBoth, the primary's.
  bed::Side SideOf(const Fault& fault) const;

 private:
  std::vector<bed::Side> SidesOf(const Fault& fault) const;
  void BeginProcess(const Fault& fault);
  void BeginCable(const Fault& fault);
  void BeginStorage(const Fault& fault);
  void BeginService(const Fault& fault);
  void Signal(const Fault& fault, int signal);
  void Starve(const Fault& fault);
  void CheckInjected(const Fault& fault);
  void Restart(bed::Side side);
  bool Refused(bed::Side side);
  Link& LinkOf(const Fault& fault) { return *links_.at(SideOf(fault)); }

  Arena& arena_;
  const Trial& trial_;
  const bed::Side primary_;
  const uint64_t seed_;
  std::vector<const Fault*> in_force_;
  std::set<bed::Side> killed_;     // their ftd, by us
  std::set<bed::Side> restarted_;  // by us; such a one may refuse to start
  std::map<bed::Side, std::unique_ptr<Link>> links_;
  std::unique_ptr<DutyCycle> duty_cycle_;
  std::vector<std::unique_ptr<replay::BusyProcess>> busy_;
  std::unique_ptr<bed::ChildProcess> move_;
};

}  // namespace ft::chaos
