// SPDX-License-Identifier: GPL-2.0-or-later
//
// What every TestAndSet must do, as functions that say what they found. Two
// use them: the conformance suite (test_and_set_conformance.h), against each
// backend in this tree, and `ftctl fencing test`, against an operator's own
// storage. A check gets a store in which nothing is, asks it as two hosts
// would, and ends with no finding or with lines such as
//
//     Acquire(vm1, 1, hostB) said {vm1, 2, hostB} is acquired, expected held
//     by peer
//
// A store is injured through the hands of StoreUnderTest; what has no such
// hand (nobody restarts an operator's array) is left out.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fencing/test_and_set.h"
#include "fencing/test_and_set_race.h"

namespace ft::fencing {

// A store made for one check, and the hands to injure it with.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;

  // A new handle, as a host just started would open it. Several may be open
  // at a time, also in forked children.
  virtual std::unique_ptr<TestAndSet> Open() = 0;

  // How often contenders race for it.
  virtual int race_rounds() const { return 2000; }

  // ---- Hand::kDamage ----

  // Overwrites the newest record of `vm` with bytes that are no record.
  virtual void Damage(const std::string& vm);

  // ---- Hand::kVanish ----

  // The whole store is gone, with all handles to it...
  virtual void Vanish();
  // ... and back as it was.
  virtual void Return();

  // ---- Hand::kWire: stores that are reached over a network ----

  // The next `count` changes are carried out and their replies are lost.
  virtual void LoseReplies(int count);
  // The store takes questions and does not answer...
  virtual void Hang();
  // ... and goes on where it was.
  virtual void Continue();
};

enum class Hand {
  kNone,
  kDamage,
  kVanish,
  kWire,
};

// What a check found; empty when the store kept its promise.
using Findings = std::vector<std::string>;

struct Check {
  const char* name;     // "Acquire_FirstTakerCreatesEpochOne"
  const char* promise;  // one line, for an operator
  Hand hand;            // what it needs beyond Open()
  Findings (*run)(StoreUnderTest&);
};

// In the order in which an operator wants to see them.
std::span<const Check> AllChecks();

// What was wrong with a race: every round has one winner, whose name all are
// told.
Findings JudgeRace(const RaceResult& race);

}  // namespace ft::fencing
