// SPDX-License-Identifier: GPL-2.0-or-later
//
// The invariants of the protocol, in one place.
//
//  I1 At most one live side per VM and epoch, ever; and no output leaves a
//     host after another one is live in a higher epoch.
//  I2 No output before its position is acknowledged, unless the VM runs
//     unprotected: its host holds the epoch and no backup is entitled in it.
//  I3 replayed <= received (acknowledged) <= sent <= committed.
//  I4 Positions and epochs only grow.
//  I5 The backup goes live only after consuming everything it acknowledged.
//  I6 After deciding to go live a backup never acknowledges another entry.
//  I7 A fenced epoch never writes the disk again.
//  I8 A write that was acknowledged to a client survives: whoever is live
//     afterwards has it, at its place in the history, and nobody ever shows
//     clients two histories.
//
// What "any single failure" excludes (a VM of which both copies died is
// lost, and no invariant broken) is the caller's: it reports the history of
// a live side, if there is one.
//
// Invariants watches one VM. It is told what happened, in the order in which
// it happened, by an observer that sees both hosts: the simulator after every
// step, or whoever reads both hosts' events after a real run. It trusts
// nobody's word: "acknowledged" is what a backup said, "live" is what a side
// does. Hosts are small numbers, named once.
//
// Pure; cheap enough for every step (no allocation but for writes).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ft::fencing {

enum class Invariant { kI1 = 1, kI2, kI3, kI4, kI5, kI6, kI7, kI8 };
// "I1", ...
const char* Name(Invariant);
// Its sentence, as above, shortened.
const char* Sentence(Invariant);

struct Violation {
  Invariant invariant;
  std::string what;  // who, which epoch, expected and found
};

// One pair's positions, each as its own side knows it.
struct PairPositions {
  uint64_t committed = 0, sent = 0;                 // the primary's
  uint64_t received = 0, replayed = 0;              // the backup's
  uint64_t heard_received = 0, heard_replayed = 0;  // the backup's, as heard
};

// A write of a client as the VM answered it.
struct AnsweredWrite {
  uint64_t place = 0;    // in the VM's history, from 0
  uint64_t content = 0;  // of everything up to and with it (a hash)
  friend bool operator==(const AnsweredWrite&, const AnsweredWrite&) = default;
};

class Invariants {
 public:
  static constexpr int kHostsMax = 4;

  explicit Invariants(std::vector<std::string> host_names = {"hostA", "hostB"});

  // `host` runs the VM in `epoch`: started it, continues alone, went live.
  void OnLive(int host, uint64_t epoch);
  // `host` is a complete backup in `epoch`, and is none any more.
  void OnEntitled(int host, uint64_t epoch);
  void OnRenounced(int host, uint64_t epoch);
  // `host`, a backup in `epoch`, asks the test-and-set.
  void OnContended(int host, uint64_t epoch);
  // It says that it has the log through `position`.
  void OnAcknowledged(int host, uint64_t epoch, uint64_t position);
  // Its engine turns from replaying to running after consuming so much.
  // `epoch` is the one that ends.
  void OnConsumedAll(int host, uint64_t epoch, uint64_t consumed);
  // A pair of `epoch`, at any time.
  void OnPositions(uint64_t epoch, const PairPositions& positions);
  // An output that is explained by the log through `position` leaves `host`;
  // `held`: the output rule was in force for it.
  void OnOutput(int host, uint64_t epoch, uint64_t position, bool held);
  // `host` writes to the disk as the side that is live in `epoch`.
  void OnDiskWrite(int host, uint64_t epoch);
  // The world outside can see that `write` was done.
  void OnAnswer(int host, const AnsweredWrite& write);
  // What a side that is live has at every place of its history.
  void OnHistory(int host, const std::vector<uint64_t>& contents);

  // The first one; what comes after it may be its consequence.
  const std::optional<Violation>& violation() const { return violation_; }

  // For whoever reports: what the outside world was told so far.
  const std::vector<uint64_t>& answered() const { return answered_; }
  uint64_t newest_epoch() const { return newest_epoch_; }
  int newest_host() const { return newest_host_; }

 private:
  struct Host {
    uint64_t entitled = 0;   // in that epoch, 0: in none
    uint64_t contended = 0;  // newest epoch
    uint64_t acknowledged_epoch = 0;
    uint64_t acknowledged = 0;
  };
  // Somebody but `host` may take over in `epoch`.
  bool RivalOf(int host, uint64_t epoch) const;
  bool AcknowledgedByAnother(int host, uint64_t epoch, uint64_t position) const;
  void Break(Invariant invariant, std::string what);
  std::string At(int host, uint64_t epoch) const;

  const std::vector<std::string> names_;
  std::array<Host, kHostsMax> hosts_{};
  uint64_t newest_epoch_ = 0;  // in which anyone was live
  int newest_host_ = -1;
  uint64_t pair_epoch_ = 0;
  PairPositions pair_{};
  // By place; 0: nothing was answered for it.
  std::vector<uint64_t> answered_;
  std::optional<Violation> violation_;
};

}  // namespace ft::fencing
