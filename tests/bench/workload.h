// SPDX-License-Identifier: GPL-2.0-or-later
//
// The workloads that `bench engine` measures: which file of
// tests/guest/workloads runs in the guest, how long, and who it talks to.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ft::bench {

// Who is at the other end of the guest's network.
enum class Peer {
  kNobody,
  kSender,    // gives the guest `rounds` MiB on port 5001
  kReceiver,  // takes what the guest sends, port 5002
  kClient,    // of the guest's Redis: makes the requests, ends the run
  kClock,     // asks it for the time, `rounds` seconds long
};

struct Workload {
  const char* name;   // on the command line and in the figures
  const char* guest;  // ft.run=
  int rounds;         // ft.n=; about five seconds of plain TCG
  Peer peer = Peer::kNobody;
  const char* kernel_arguments = "";
  const char* initrd = "initrd.gz";
  uint32_t memory_mib = 256;
  // kClock: the guest computes between two questions.
  bool busy = false;
};

std::span<const Workload> AllWorkloads();
// Those that run unless others are named: not the clocks, ten minutes each.
bool RunsByDefault(const Workload& workload);
// Null when there is none of that name.
const Workload* FindWorkload(const std::string& name);

}  // namespace ft::bench
