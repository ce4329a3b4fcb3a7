// SPDX-License-Identifier: GPL-2.0-or-later
//
// Heartbeats: small datagrams that say "the ftd of this host lives and has
// this VM at this epoch". Sans io; HeartbeatPort (heartbeat_port.h) is the
// socket.
//
//     0        4         8
//     +--------+---------+-------------------------------+
//     | magic  | crc32c  | wire::Heartbeat (protobuf)    |   little endian
//     +--------+---------+-------------------------------+
//
// The CRC32C covers the protobuf bytes. Pure functions and values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "logchannel/log_channel.pb.h"
#include "logchannel/status.h"

namespace ft::logchannel {

inline constexpr uint32_t kHeartbeatMagic = 0x42485446;  // "FTHB" on the wire
inline constexpr size_t kHeartbeatPrefixBytes = 8;
// Far below any MTU, so a heartbeat is never fragmented. Names of VM and
// host have 200 bytes each.
inline constexpr size_t kHeartbeatBytesMax = 512;

// The datagram. FT_CHECKs the limit. Fills in the version.
std::string EncodeHeartbeat(wire::Heartbeat heartbeat);

// Refuses anything that is not a heartbeat of this version: kInvalid, one
// line of facts.
Result<wire::Heartbeat> DecodeHeartbeat(std::span<const std::byte> datagram);

// What a side's first sequence number follows: milliseconds since the host
// started. It outgrows beats of 50 ms, so that an echo of what an earlier
// ftd or protection sent is older than everything that this one sends.
uint64_t FirstHeartbeatSequence();

// Tells a fresh heartbeat from an old one that a network delivered late or
// twice. One per VM and peer. Epochs only grow, and within an epoch
// sequence numbers only grow.
class HeartbeatOrder {
 public:
  // True if newer than all before; remembers it then.
  bool Accept(const wire::Heartbeat& heartbeat);

 private:
  bool any_ = false;
  uint64_t epoch_ = 0;
  uint64_t sequence_ = 0;
};

}  // namespace ft::logchannel
