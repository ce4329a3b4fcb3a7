// SPDX-License-Identifier: GPL-2.0-or-later
//
// Damage that TCP delivers. A frame that is corrupted on its way never
// arrives: TCP's checksum drops it, the sender sends it again. What reaches an
// application is what was damaged beside the checksum: in a host's memory, in
// an offloading NIC, in a proxy. So the injector changes a segment and
// computes its checksum anew. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace ft::chaos {

// What is done once, to the next segment that has enough payload.
enum class StreamFault {
  kCorrupt,   // one bit of the payload, chosen by the seed, is turned over
  kTruncate,  // half of the payload passes, then the stream ends (FIN); what
              // the sender sends after it goes nowhere
};

class TcpInjector {
 public:
  // Addresses and ports, as they stand in a segment.
  using Flow = std::array<uint8_t, 12>;

  explicit TcpInjector(uint64_t seed) : random_(seed) {}

  // For the next IPv4 segment from or to `port` with at least `payload_min`
  // bytes; of 1 or more.
  void Arm(StreamFault fault, int port, int payload_min);
  // Every frame of this direction, in order; changes it perhaps. False: it
  // goes nowhere.
  bool Pass(std::vector<uint8_t>& frame);

  // Deeds done.
  uint64_t corrupted() const { return corrupted_; }
  uint64_t truncated() const { return truncated_; }

 private:
  struct Armed {
    StreamFault fault;
    int port;
    size_t payload_min;
  };
  void Corrupt(std::vector<uint8_t>& frame);
  void Truncate(std::vector<uint8_t>& frame);

  std::mt19937_64 random_;
  std::optional<Armed> armed_;
  std::optional<Flow> ended_;  // the stream that was truncated last
  uint64_t corrupted_ = 0;
  uint64_t truncated_ = 0;
};

}  // namespace ft::chaos
