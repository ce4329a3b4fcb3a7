// SPDX-License-Identifier: GPL-2.0-or-later
//
// Campaign: a series of runs on one bed. Booting a guest takes longer than a
// failover, so a pair that came through a run is the next one's: the VM lives
// where the run left it, its clients' connections stay open, and its backup is
// made on the other host. A bed that is of no more use is thrown away.
#pragma once

#include <memory>
#include <string>

#include "tests/chaos/arena.h"
#include "tests/chaos/conditions.h"
#include "tests/chaos/history_process.h"
#include "tests/chaos/plan.h"

namespace ft::chaos {

class Campaign {
 public:
  explicit Campaign(uint64_t seed, Storage storage = Storage::kDirectory)
      : seed_(seed), storage_(storage) {}

  // A pair as `trial` wants it at its beginning: protected, or about to be;
  // with a stepped clock where it needs one; clients at work, all connections
  // open. Makes a bed if there is none or it has served long enough. Throws
  // BedError.
  void Prepare(const Trial& trial);

  Arena& arena() { return *arena_; }
  HistoryProcess& clients() { return *clients_; }
  // The host that runs the VM, as far as is known.
  bed::Side primary() const { return primary_; }
  bed::Host& primary_host() { return arena_->host(primary_); }
  void SetPrimary(bed::Side side) { primary_ = side; }
  // The argv of `ftctl enable` on the primary.
  std::vector<std::string> EnableCommand() const;
  // Until the VM is protected; "", or why it is not after `patience`.
  std::string Enable(bed::milliseconds patience);

  // The run is over: clocks as they should be, the VM protected. "", or what
  // is in the way.
  std::string ProtectAgain(const Trial& trial);

  // The next run begins on a bed of its own.
  void Discard();
  bool has_bed() const { return arena_ != nullptr; }

 private:
  void MakeBed();
  void HireClients();
  std::string Disable();
  // Restarts the ftd of a host without a VM, or whose VM is unprotected.
  void RestartFtd(bed::Side side);

  const uint64_t seed_;
  const Storage storage_;
  int runs_ = 0;  // on this bed
  bed::Side primary_ = bed::Side::kA;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<HistoryProcess> clients_;
};

}  // namespace ft::chaos
