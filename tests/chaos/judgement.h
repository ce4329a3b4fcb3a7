// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a chaos run came to: what was seen, and which promises that breaks.
// Pure.
//
//   kept      the VM ran on, nothing that was acknowledged is lost, nobody
//             noticed more than a delay, and it is protected again
//   lost      the plan's faults took every copy of the VM (MayLoseVm), and
//             what clients saw until then is right: excused
//   broken    anything else
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/chaos/plan.h"

namespace ft::chaos {

// Facts of one run. The defaults are those of a run without a fault.
struct Observed {
  // No engine is left that could go on: nobody runs the VM.
  bool vm_lost = false;
  // Every connection was answered again within the bound after the last
  // fault was over.
  bool served = true;
  // Both hosts agree on who runs the VM, within the bound; what they said
  // if not.
  bool settled = true;
  std::string conditions = {};
  // At the end (engine_probe.h), and the first moment at which two engines
  // recorded without holding, "" if there was none.
  int live_sides = 1;
  std::string two_live = {};
  // How often the guest's frames at the switch changed the host they came
  // from, and how often the record's epoch grew meanwhile. Each change of
  // hosts takes a new epoch; frames of A, B and A again with one new epoch
  // are stale ones of A.
  int frames_changed_host = 0;
  uint64_t epochs = 0;
  // A backup could be made again; why not.
  bool protected_again = true;
  std::string enable_error = {};
  // Of ftctl failover, where the plan has one: "" if it went well.
  std::string move_error = {};
  // An ftd that ended by itself or did not start again: what it said.
  std::vector<std::string> ftd_ends = {};
  std::string guest_panic = {};
  // What the clients say.
  bool linearizable = true;
  std::string violation = {};
  bool read_back = true;
  int connections = 0;
  int survived = 0;
  std::string client_error = {};
  // The bed or a client failed in a way that nobody thought of.
  std::string trouble = {};
};

enum class Judgement { kKept, kLost, kBroken };
const char* Name(Judgement judgement);

struct Sentence {
  Judgement judgement = Judgement::kKept;
  // One line per broken promise.
  std::vector<std::string> broken = {};
};

Sentence Judge(const Trial& trial, const Observed& observed);

}  // namespace ft::chaos
