// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the torture does, and in what order. Pure: a seed and a run's number
// say all there is to say about it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ft::torture {

enum class Ends {
  kWithItsWork,    // the guest says FT-GUEST-DONE
  kWithItsClient,  // a Redis; the client at the other end has enough
  kAfterReboots,   // the guest has started anew twice
  kByPowerOff,     // the machine is gone: no digests, equal consoles
};

struct Workload {
  const char* name;
  const char* guest;      // ft.run=
  const char* what = "";  // ft.what=
  int rounds = 8;         // ft.n=
  Ends ends = Ends::kWithItsWork;
  // The clone is taken while firmware and kernel start.
  bool from_boot = false;
  bool sends_to_guest = false;
  bool takes_from_guest = false;
  const char* kernel_arguments = "";
  const char* initrd = "initrd.gz";
  uint32_t memory_mib = 256;
  // What of the machine it is hard on, beyond CPU, timers and serial port.
  const char* devices = "";
};

std::span<const Workload> AllWorkloads();
const Workload* FindWorkload(const std::string& name);

struct Trial {
  int number = 0;  // from 1
  const Workload* workload = nullptr;
  // Streamed: the backup follows at once. Else the work is recorded, and
  // replayed twice when it is done.
  bool streamed = false;
  // A process that does nothing but use CPU time runs beside the replay.
  bool contention = false;
  // Recorded with digests of everything: the finder can name the entry even
  // where no replay is the recorded machine.
  bool dense = false;
  // From the beginning of the work (or of the boot) to the clone, and then
  // from comparison to comparison.
  std::chrono::milliseconds clone_after{0};
  std::vector<std::chrono::milliseconds> compare_after = {};
  // Of a recording: the share of its instructions after which, in its second
  // replay, each is a block of its own for a while.
  double window_at = 0.5;
};

// Trial `number` of the torture with this seed. The workloads take turns; each
// meets all four combinations of streaming and contention in four rounds; one
// of the two recordings in them is dense, the other one four rounds later.
Trial PlanTrial(uint64_t seed, int number,
                std::span<const Workload* const> workloads);

}  // namespace ft::torture
