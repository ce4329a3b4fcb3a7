// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the engine answers, as C++ values, and how they are read from JSON.
// docs/engine.md is the contract; a field that is missing or of another type
// is the engine's fault and yields kFailed with the field's name. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

// The answer of x-ft-query.
struct EngineState {
  bool recording = false;  // else replaying (or waiting for a clone)
  bool keeping_log = false;
  bool holding = false;   // the output rule is in force
  bool running = false;   // the guest executes
  bool orphaned = false;  // see EngineListener::OnOrphaned
  bool diverged = false;  // see EngineListener::OnDivergence
  uint64_t committed = 0;
  uint64_t consumed = 0;
  uint64_t acknowledged = 0;
  uint64_t released = 0;
  uint64_t icount = 0;  // guest instructions since power-on
  uint64_t held_outputs = 0;
  uint64_t held_bytes = 0;
  uint64_t outputs = 0;  // released since protection began
  uint64_t output_delay_us_p50 = 0;
  uint64_t output_delay_us_p99 = 0;
  uint64_t clone_pause_us = 0;
  uint64_t clone_total_us = 0;
  std::string engine_build;
};

// The event FT_CLONE, when it says "completed".
struct CloneResult {
  uint64_t position = 0;  // the log is kept from here on
  uint64_t pause_us = 0;  // the guest stood still
  uint64_t total_us = 0;
};

// The event FT_REPLICA: while a clone goes on, how far the replica of one
// private disk is. It comes at the beginning, at the end, and in between.
struct ReplicaProgress {
  std::string node;    // "d<i>": the VM's disk i
  uint64_t done = 0;   // bytes compared, or copied
  uint64_t total = 0;  // bytes of the disk
  uint64_t sent = 0;   // bytes that were not equal and went to the backup
};

// The event FT_LIVE.
struct LiveResult {
  uint64_t position = 0;  // everything before was replayed
  uint64_t drain_us = 0;
};

// The answer of x-ft-digest. Two machines in virtual lockstep have equal
// digests at equal positions.
struct MachineDigest {
  uint64_t icount = 0;
  uint64_t position = 0;
  std::string ram;  // 16 hex digits
  std::string cpu;  // 16 hex digits
  // Of each device "NAME, instance NUMBER=CHECKSUM", separated by "; ".
  std::string devices;

  bool operator==(const MachineDigest&) const = default;
};
// What of two machines is not equal: "position", "vCPU registers", "RAM", or
// the first device; empty if they are equal.
std::string FirstDifference(const MachineDigest& a, const MachineDigest& b);

// The event FT_DIVERGENCE.
struct Divergence {
  uint64_t position = 0;
  uint64_t icount = 0;
  std::string expected;
  std::string got;
};

Result<EngineState> ParseEngineState(const boost::json::value& answer);
// kFailed with the engine's own line when the clone failed.
Result<CloneResult> ParseCloneEvent(const boost::json::object& data);
Result<ReplicaProgress> ParseReplicaEvent(const boost::json::object& data);
Result<LiveResult> ParseLiveEvent(const boost::json::object& data);
Result<MachineDigest> ParseDigest(const boost::json::value& answer);
// {"position": n}: the answer of x-ft-protect and the event FT_FOLLOW.
Result<uint64_t> ParsePosition(const boost::json::value& answer);
// Takes what is there: a divergence is news even when badly told.
Divergence ParseDivergence(const boost::json::object& data);

}  // namespace ft::replay
