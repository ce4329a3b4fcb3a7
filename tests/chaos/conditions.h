// SPDX-License-Identifier: GPL-2.0-or-later
//
// What both hosts say about the VM, and whether that is one story: a pair is
// settled when one host runs the VM, the other one knows its place, and
// neither waits for anything. Pure, but for LookAt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/system/testbed.h"

namespace ft::chaos {

// `ftctl status` of one host, and the engines that it really has.
struct Condition {
  bool answers = false;  // ftd does
  std::string role = {};
  std::string state = {};
  std::string reason = {};
  std::string why = {};
  uint64_t epoch = 0;
  int engines = 0;
};

Condition LookAt(bed::Host& host);

struct Conditions {
  Condition a = {}, b = {};

  // Who runs the VM; nobody while anything is undecided.
  std::optional<bed::Side> Settled() const;
  // No engine is left on any host.
  bool Lost() const { return a.engines + b.engines == 0; }
  // The pair is in virtual lockstep.
  bool Protected() const;
  uint64_t epoch() const { return a.epoch > b.epoch ? a.epoch : b.epoch; }
  // "hostA: primary, need-backup, lost-connection (...), 1 engine; hostB: ..."
  std::string Text() const;
};

Conditions LookAtBoth(bed::TestBed& bed);

}  // namespace ft::chaos
