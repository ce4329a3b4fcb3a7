// SPDX-License-Identifier: GPL-2.0-or-later
//
// TestAndSet: the one place that says who may run a VM. A store outside
// both hosts keeps one record per VM; a host that wants to run the VM
// compares the epoch it knows and sets the next one with its own name, in
// one atomic step:
//
//     {vm1, epoch 7, hostA}  -- Acquire(vm1, 7, hostB) -->  {vm1, 8, hostB}
//
// Of all contenders for 7 exactly one is answered kAcquired, for ever, even
// across a power failure of the store. This, and nothing else in Lockstep,
// prevents split-brain.
//
// Life of a record:
//     none       -- Acquire(vm, 0, A) -->    epoch 1, holder A   (start)
//     1, A       -- Acquire(vm, 1, B) -->    epoch 2, holder B   (failover)
//     2, B       -- Acquire(vm, 2, B) -->    epoch 3, holder B   (lost peer)
//     3, B       -- Release(vm, 3, B) -->    epoch 4, holder ""  (stop)
//     4, ""      -- Acquire(vm, 4, A) -->    epoch 5, holder A   (start)
//
// A lost reply must not turn a winner into a loser, so every operation may
// be repeated: the contender that won N -> N+1 and asks for N again is told
// kAcquired again. Hence a contender's name is unique among the hosts, and
// one host never runs both sides of a VM.
//
// Backends are held to this by test_and_set_conformance.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logchannel/status.h"

namespace ft::fencing {

struct VmRecord {
  std::string vm;
  // Grows by one at every change of who runs the VM; the first is 1.
  uint64_t epoch = 0;
  // The host that may run the VM; empty if it was stopped and is free.
  std::string holder;

  bool released() const { return holder.empty(); }
  friend bool operator==(const VmRecord&, const VmRecord&) = default;
};

// The paper's three cases.
enum class TestAndSetOutcome {
  // The record is {vm, N+1, contender}, durably: this side may go live.
  kAcquired,
  // Somebody else moved the record past N: halt this VM at once.
  kHeldByPeer,
  // The store cannot be reached, or what it holds makes no sense: nothing
  // is known. The request may or may not have been carried out. Wait, and
  // ask again; never guess.
  kUnreachable,
};
const char* ToString(TestAndSetOutcome);

struct TestAndSetAnswer {
  TestAndSetOutcome outcome = TestAndSetOutcome::kUnreachable;
  // The record as it stands: ours for kAcquired, the one that beat us for
  // kHeldByPeer; absent for kUnreachable.
  std::optional<VmRecord> record;
  // Ok for kAcquired. Otherwise one line and its remedy.
  Status error;

  static TestAndSetAnswer Acquired(VmRecord record);
  static TestAndSetAnswer HeldByPeer(VmRecord record);
  static TestAndSetAnswer Unreachable(Status error);
};

// Calls block, perhaps for ever if the store hangs: agents go through
// AsyncTestAndSet. Safe to call from several threads and processes at once.
class TestAndSet {
 public:
  virtual ~TestAndSet() = default;

  // The record, or none if the VM was never started anywhere. kInvalid: the
  // name; kUnavailable: the store.
  virtual Result<std::optional<VmRecord>> Read(const std::string& vm) = 0;

  // Compare (expected_epoch) and set (expected_epoch + 1, contender).
  // expected_epoch 0 means that there must be no record yet. A record that
  // is older than expected, or missing, is kUnreachable: this is not the
  // store that gave us our epoch (not mounted, restored from a backup).
  virtual TestAndSetAnswer Acquire(const std::string& vm,
                                   uint64_t expected_epoch,
                                   const std::string& contender) = 0;

  // {epoch, holder} -> {epoch + 1, ""}: the VM is stopped, anyone may start
  // it. Ok also if this was done before. kInvalid: the record is not
  // {epoch, holder}; nothing was changed. kUnavailable: nothing is known.
  virtual Status Release(const std::string& vm, uint64_t epoch,
                         const std::string& holder) = 0;

  // Whether the store is there and could carry out a change: one clear line
  // and its remedy if not. Changes no record. Call it before a VM is started
  // or protected, so that a store that could never answer is found before it
  // is needed.
  virtual Status Probe() { return Status::Ok(); }
};

// Whether a name of a VM or host may be part of a file name or a record: 1
// to 63 characters of A-Z a-z 0-9 . _ -, the first a letter or digit. So
// no "..", no slash, no hidden or empty file, no line break. `what` ("VM
// name") begins the message.
Status ValidateName(std::string_view what, std::string_view name);

// Whether `read`, what a backup reads from its store when a primary says
// Hello, is the record of that very primary: ok only for {epoch, holder}.
// Proves that both hosts look at the same store; without it two hosts, each
// with its own empty directory, would both win.
Status VerifySameStore(const Result<std::optional<VmRecord>>& read,
                       const std::string& vm, uint64_t epoch,
                       const std::string& holder);

}  // namespace ft::fencing
