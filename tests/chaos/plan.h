// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a chaos run does: pure, a seed and the run's number say all there is
// to say about it. Not what the guest and its clients do meanwhile.
//
//     of every six runs   four: one fault while the pair is protected
//                         one:  one fault while a backup is being made
//                         one:  two faults while the pair is protected,
//                               the second up to 1.5 s after the first
//
// The faults take turns on every side that they can fall on, so that a few
// hundred runs have met all of them; what is drawn is the moment, how long,
// how hard, and the pairs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/chaos/fault.h"

namespace ft::chaos {

// What goes on when the run's time begins to count.
enum class Moment {
  kProtected,  // virtual lockstep, clients at work
  kCloning,    // `ftctl enable` was typed just now; clients at work
};

struct Trial {
  int number = 0;  // from 1
  Moment moment = Moment::kProtected;
  // One or two, by time.
  std::vector<Fault> faults = {};
};

// Run `number` with this seed, with faults of these kinds only (at least
// one).
Trial PlanTrial(uint64_t seed, int number, std::span<const FaultKind> kinds);

// The faults may take every copy of the VM: then its end is no failure. One
// never may while the pair is protected. Two may if one kills an engine and
// the other keeps the other host from having, or becoming, a copy.
bool MayLoseVm(const Trial& trial);

// The operator's verb is refused, or the VM is moved while something else
// goes wrong: either may come of it.
bool MustMove(const Trial& trial);

const char* Name(Moment moment);
// "protected: ftd-killed primary at 431 ms for 1200 ms; ...".
std::string Text(const Trial& trial);
// What its figures are counted under: "ftd-killed primary", "ftd-killed
// primary, cloning", "two faults".
std::string Label(const Trial& trial);

}  // namespace ft::chaos
