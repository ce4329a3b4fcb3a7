// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the torture does, and in what order. Pure: a seed and a run's number
// say all there is to say about it.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "replay/vm_devices.h"

namespace ft::torture {

enum class Ends {
  kWithItsWork,    // the guest says FT-GUEST-DONE
  kWithItsClient,  // a Redis; the client at the other end has enough
  kAfterReboots,   // the guest has started anew twice
  kByPowerOff,     // the machine is gone: no digests, equal consoles
};

// What is on the machine's one disk at the beginning.
enum class Image {
  kNoDisk,
  kBlank,   // nothing: the workload writes where it likes
  kDebian,  // the root, of tests/guest/build_debian.sh
};

// What somebody does at the machine while the guest works (operator.h).
enum class Hands { kNone, kKeyboardAndMice, kSerial };

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
  // The machine beyond the default one.
  const char* kernel = "vmlinuz";
  const char* nic = replay::kVirtioNet;
  Image image = Image::kNoDisk;
  const char* bus = replay::kVirtioBlk;
  const char* mode = replay::kShared;
  const char* reads = replay::kReadsFromLog;
  const char* video = replay::kNoVideo;
  Hands hands = Hands::kNone;
  // What of the machine it is hard on, beyond CPU, timers and serial port.
  const char* devices = "";
};

// A recording has no backup that would do disk I/O of its own.
bool CanBeRecorded(const Workload& workload);

std::span<const Workload> AllWorkloads();
const Workload* FindWorkload(const std::string& name);

// What must be made for these workloads beside the default guest: names for
// tests/guest/build_extra.sh, and "debian" for build_debian.sh.
std::set<std::string> GuestsOf(std::span<const Workload* const> workloads);

// A dense recording is of so much less work.
inline constexpr int kDenseDivisor = 4;

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
// meets all four combinations of streaming and contention in four rounds (if
// it CanBeRecorded()); one
// of the two recordings in them is dense, the other one four rounds later.
Trial PlanTrial(uint64_t seed, int number,
                std::span<const Workload* const> workloads);

}  // namespace ft::torture
