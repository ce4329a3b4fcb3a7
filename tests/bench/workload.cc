// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/workload.h"

namespace ft::bench {
namespace {

constexpr Workload kWorkloads[] = {
    {.name = "cpu", .guest = "cpu", .rounds = 96},
    {.name = "syscall", .guest = "syscall", .rounds = 1600},
    {.name = "switch", .guest = "switch", .rounds = 28},
    {.name = "fork", .guest = "fork", .rounds = 700},
    {.name = "compile",
     .guest = "compile",
     .rounds = 3,
     .initrd = "initrd-compile.gz",
     .memory_mib = 384},
    {.name = "memory", .guest = "memory", .rounds = 80},
    {.name = "receive",
     .guest = "receive",
     .rounds = 32,
     .peer = Peer::kSender},
    {.name = "transmit",
     .guest = "transmit",
     .rounds = 12,
     .peer = Peer::kReceiver},
    {.name = "kv", .guest = "redis", .rounds = 0, .peer = Peer::kClient},
    // Twenty seconds at 250 ticks each.
    {.name = "idle",
     .guest = "idle",
     .rounds = 20,
     .kernel_arguments = "nohz=off"},
    {.name = "clock-idle",
     .guest = "redis",
     .rounds = 600,
     .peer = Peer::kClock},
    {.name = "clock-busy",
     .guest = "redis",
     .rounds = 600,
     .peer = Peer::kClock,
     .busy = true},
};

}  // namespace

std::span<const Workload> AllWorkloads() { return kWorkloads; }

bool RunsByDefault(const Workload& workload) {
  return workload.peer != Peer::kClock;
}

const Workload* FindWorkload(const std::string& name) {
  for (const Workload& workload : kWorkloads) {
    if (name == workload.name) return &workload;
  }
  return nullptr;
}

}  // namespace ft::bench
