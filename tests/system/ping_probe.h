// SPDX-License-Identifier: GPL-2.0-or-later
//
// PingProbe: is the guest there? Asked every 5 ms with an ICMP echo, whatever
// came back of those before (an open loop): the longest time without a reply
// is the time in which the guest did not answer, to within one interval.
//
// A TCP client that waits for each answer cannot measure that. With one
// segment in flight nothing but the retransmission timer mends a loss, and
// Linux never sets that below 200 ms (RFC 6298 wants 1 s; its tail loss probe
// waits as long if one segment is out). A request that died with the old
// primary is answered 200 ms after it was sent, however short the failover.
// That is the writer's blackout (redis_writer.h); both are reported.
//
// The kernel of the guest answers; so a reply also means that the guest's
// vCPU executes and that its network is found.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "logchannel/scoped_fd.h"

namespace ft::bed {

struct PingFigures {
  uint64_t sent = 0;
  uint64_t lost = 0;     // never answered
  uint64_t doubled = 0;  // answered more than once
  // CLOCK_MONOTONIC, sorted; first replies only.
  std::vector<int64_t> replies_ns{};
  // The longest time between two probes that were sent: what a busy machine
  // may have added to a blackout.
  double longest_pause_ms = 0;
};

class PingProbe {
 public:
  PingProbe() = default;
  ~PingProbe();
  PingProbe(const PingProbe&) = delete;
  PingProbe& operator=(const PingProbe&) = delete;

  // From now on. Needs CAP_NET_RAW. False: error() says why.
  bool Start(const std::string& address, std::chrono::milliseconds interval);
  const std::string& error() const { return error_; }
  // Ends, when the last replies had time to come.
  PingFigures Finish();

 private:
  struct Probe {
    int64_t sent_ns = 0;
    int64_t reply_ns = 0;  // 0: none so far
    bool doubled = false;
  };

  void Main(std::stop_token stop, std::chrono::milliseconds interval);
  void Send();
  void ReceiveUntil(std::chrono::steady_clock::time_point end);
  void Note(const uint8_t* packet, size_t size);

  ScopedFd socket_;
  std::string error_;
  // Of the thread while it runs, else of the owner.
  std::vector<Probe> probes_;
  std::jthread thread_;
};

}  // namespace ft::bed
