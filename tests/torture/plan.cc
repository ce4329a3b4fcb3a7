// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/plan.h"

#include <random>

namespace ft::torture {
namespace {

using std::chrono::milliseconds;

// A workload lasts about eight seconds: the clone comes in the first half,
// two comparisons in what is left.
constexpr int kCloneWithinMs = 4'000;
constexpr int kBootCloneWithinMs = 3'000;
constexpr int kCompareWithinMs = 2'500;
constexpr int kCompares = 2;

constexpr Workload Stress(const char* name, const char* what) {
  return {.name = name,
          .guest = "stress",
          .what = what,
          .initrd = "initrd-torture.gz",
          .memory_mib = 512};
}

constexpr Workload Edges(const char* name, const char* what,
                         const char* devices = "") {
  return {.name = name,
          .guest = "edges",
          .what = what,
          .initrd = "initrd-torture.gz",
          .memory_mib = 512,
          .devices = devices};
}

constexpr Workload kWorkloads[] = {
    {.name = "tiny", .guest = "torture-tiny", .rounds = 60},
    Stress("cpu", "cpu"),
    Stress("matrix-fp", "matrix,fp,vecmath"),
    Stress("vm-mmap", "vm,mmap"),
    Stress("fork", "fork,vfork,exec"),
    Stress("pipe-switch", "pipe,switch"),
    Stress("timer-storm", "timer,itimer,hrtimers,timerfd"),
    Stress("signal", "signal,sigq,sigfpe,sigsegv"),
    Stress("opcode", "opcode,far-branch,icache"),
    Stress("files", "hdd,dentry"),
    Stress("all-at-once", "cpu,vm,fork,pipe,timer,mmap,matrix,sigq"),
    Edges("strings", "strings"),
    Edges("self-modifying", "code"),
    Edges("x87-sse", "fpu"),
    Edges("ports", "ports", "PIT, RTC, RTC memory, ACPI timer"),
    {.name = "redis",
     .guest = "redis",
     .rounds = 4000,
     .ends = Ends::kWithItsClient,
     .devices = "virtio-net"},
    {.name = "receive",
     .guest = "receive",
     .rounds = 64,
     .sends_to_guest = true,
     .devices = "virtio-net"},
    {.name = "transmit",
     .guest = "transmit",
     .rounds = 48,
     .takes_from_guest = true,
     .devices = "virtio-net"},
    {.name = "bulk-both-ways",
     .guest = "bulk",
     .rounds = 24,
     .sends_to_guest = true,
     .takes_from_guest = true,
     .devices = "virtio-net"},
    {.name = "compile",
     .guest = "compile",
     .rounds = 4,
     .initrd = "initrd-compile.gz",
     .memory_mib = 384},
    {.name = "periodic-tick",
     .guest = "idle",
     .kernel_arguments = "nohz=off",
     .devices = "local APIC timer"},
    {.name = "boot",
     .guest = "torture-tiny",
     .rounds = 5,
     .from_boot = true,
     .devices = "firmware, PCI, virtio-net set-up"},
    {.name = "reboot",
     .guest = "reboot",
     .ends = Ends::kAfterReboots,
     .devices = "reset of all devices"},
    {.name = "power-off",
     .guest = "torture-tiny",
     .rounds = 30,
     .ends = Ends::kByPowerOff,
     .kernel_arguments = "ft.end=poweroff",
     .devices = "ACPI power-off"},
};

milliseconds Within(std::mt19937_64& random, int bound_ms) {
  return milliseconds(random() % static_cast<uint64_t>(bound_ms));
}

}  // namespace

std::span<const Workload> AllWorkloads() { return kWorkloads; }

const Workload* FindWorkload(const std::string& name) {
  for (const Workload& workload : kWorkloads) {
    if (name == workload.name) return &workload;
  }
  return nullptr;
}

Trial PlanTrial(uint64_t seed, int number,
                std::span<const Workload* const> workloads) {
  const auto index = static_cast<size_t>(number - 1);
  const size_t turn = index % workloads.size();
  const size_t round = index / workloads.size();
  // Neighbours differ within a round too.
  const size_t combination = round + turn;
  std::mt19937_64 random(seed * 1'000'003 + static_cast<uint64_t>(number));
  Trial trial = {.number = number, .workload = workloads[turn]};
  trial.streamed = combination % 2 == 0;
  trial.contention = combination / 2 % 2 == 1;
  trial.dense =
      !trial.streamed && (combination / 2 + turn + round / 4) % 2 == 1;
  const bool from_boot = trial.workload->from_boot;
  trial.clone_after =
      Within(random, from_boot ? kBootCloneWithinMs : kCloneWithinMs);
  // A machine that is about to go away is left in peace.
  if (trial.workload->ends == Ends::kByPowerOff) return trial;
  for (int i = 0; i < kCompares; ++i) {
    trial.compare_after.push_back(Within(random, kCompareWithinMs));
  }
  trial.window_at = static_cast<double>(random() % 90) / 100;
  return trial;
}

}  // namespace ft::torture
