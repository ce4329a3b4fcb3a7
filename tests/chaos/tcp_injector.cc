// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/tcp_injector.h"

#include <net/ethernet.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cstddef>
#include <optional>

namespace ft::chaos {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kIp = sizeof(ether_header);  // where the IP header begins

uint16_t Get16(const Bytes& bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void Put16(Bytes& bytes, size_t at, uint16_t value) {
  bytes[at] = static_cast<uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<uint8_t>(value);
}

// Where things are in a frame with a TCP segment.
struct Segment {
  size_t tcp;      // its header begins
  size_t payload;  // the payload begins
  size_t end;      // and ends; the frame may be padded
};

// Nothing if it is no whole IPv4 TCP segment.
std::optional<Segment> Find(const Bytes& frame) {
  if (frame.size() < kIp + sizeof(iphdr) || Get16(frame, 12) != ETHERTYPE_IP ||
      frame[kIp] >> 4 != 4 ||
      frame[kIp + offsetof(iphdr, protocol)] != IPPROTO_TCP ||
      (Get16(frame, kIp + offsetof(iphdr, frag_off)) & 0x3fff) != 0) {
    return std::nullopt;
  }
  Segment segment;
  segment.tcp = kIp + (frame[kIp] & 15u) * 4u;
  segment.end = kIp + Get16(frame, kIp + offsetof(iphdr, tot_len));
  if (segment.end > frame.size() ||
      segment.tcp + sizeof(tcphdr) > segment.end) {
    return std::nullopt;
  }
  segment.payload = segment.tcp + (frame[segment.tcp + 12] >> 4) * 4u;
  if (segment.payload > segment.end) return std::nullopt;
  return segment;
}

uint32_t Sum(const Bytes& bytes, size_t from, size_t to) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; ++i) {
    sum += (i - from) % 2 ? bytes[i] : static_cast<uint32_t>(bytes[i]) << 8;
  }
  return sum;
}

uint16_t Folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void FixChecksums(Bytes& frame, const Segment& segment) {
  const size_t ip_check = kIp + offsetof(iphdr, check);
  Put16(frame, ip_check, 0);
  Put16(frame, ip_check, Folded(Sum(frame, kIp, segment.tcp)));
  const size_t tcp_check = segment.tcp + offsetof(tcphdr, th_sum);
  Put16(frame, tcp_check, 0);
  // The pseudo header: addresses, protocol, length.
  const uint32_t pseudo = Sum(frame, kIp + offsetof(iphdr, saddr), kIp + 20) +
                          IPPROTO_TCP +
                          static_cast<uint32_t>(segment.end - segment.tcp);
  Put16(frame, tcp_check,
        Folded(pseudo + Sum(frame, segment.tcp, segment.end)));
}

// Addresses and ports.
TcpInjector::Flow FlowOf(const Bytes& frame, const Segment& segment) {
  TcpInjector::Flow flow;
  std::copy_n(frame.data() + kIp + offsetof(iphdr, saddr), 8, flow.data());
  std::copy_n(frame.data() + segment.tcp, 4, flow.data() + 8);
  return flow;
}

}  // namespace

void TcpInjector::Arm(StreamFault fault, int port, int payload_min) {
  armed_ = {fault, port, static_cast<size_t>(std::max(payload_min, 1))};
}

bool TcpInjector::Pass(Bytes& frame) {
  if (!armed_ && !ended_) return true;
  const auto segment = Find(frame);
  if (!segment) return true;
  if (ended_ && FlowOf(frame, *segment) == *ended_) return false;
  if (!armed_) return true;
  const int from = Get16(frame, segment->tcp);
  const int to = Get16(frame, segment->tcp + 2);
  if ((from != armed_->port && to != armed_->port) ||
      segment->end - segment->payload < armed_->payload_min) {
    return true;
  }
  if (armed_->fault == StreamFault::kCorrupt) {
    Corrupt(frame);
  } else {
    Truncate(frame);
  }
  armed_.reset();
  return true;
}

void TcpInjector::Corrupt(Bytes& frame) {
  const Segment segment = *Find(frame);
  const size_t bits = (segment.end - segment.payload) * 8;
  const size_t bit = random_() % bits;
  frame[segment.payload + bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
  FixChecksums(frame, segment);
  ++corrupted_;
}

void TcpInjector::Truncate(Bytes& frame) {
  Segment segment = *Find(frame);
  ended_ = FlowOf(frame, segment);
  segment.end = segment.payload + (segment.end - segment.payload) / 2;
  frame.resize(segment.end);
  Put16(frame, kIp + offsetof(iphdr, tot_len),
        static_cast<uint16_t>(segment.end - kIp));
  frame[segment.tcp + 13] |= TH_FIN;
  FixChecksums(frame, segment);
  ++truncated_;
}

}  // namespace ft::chaos
