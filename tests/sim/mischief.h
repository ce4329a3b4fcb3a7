// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mischief: what goes wrong in a run, and when; and what the operators do.
//
// Fault model. A run has none to five faults within three seconds, one in
// most runs: processes and hosts die and come back or do not; processes and
// hosts stand still for up to four seconds and go on; the path between the
// hosts is cut both ways or one way, slow, lossy, or its connection reset; a
// host loses its links; the store is slow, unreachable, or loses replies,
// for one host or for both; a backup replays slowly. Operators enable
// protection whenever a VM runs alone, and now and then disable it or fail
// over by plan. Left out: bytes that change on the way or on a disk, a
// store that lies, a host clock that stops while its host stands still, and
// an operator who starts the VM a second time.
#pragma once

#include "tests/sim/schedule.h"

namespace ft::sim {

class World;

class Mischief {
 public:
  // Draws the plan and schedules it. Nothing happens after `until`.
  Mischief(World& world, Time until);

 private:
  void Operate();
  void DrawFault();
  void DrawAmbush();
  void Strike(int kind, int host, Time time);
  void StrikeNetwork(int kind, int host, Time time);
  void StrikeStore(int host, Time time);

  World& world_;
  const Time until_;
};

}  // namespace ft::sim
