// SPDX-License-Identifier: GPL-2.0-or-later
//
// The injector on frames that are built here; link_test.cc shows that a real
// kernel takes its checksums.
#include "tests/chaos/tcp_injector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>

namespace ft::chaos {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr size_t kIp = 14, kTcp = 34, kPayload = 54;

// From 10.78.0.1:40000 to 10.78.0.2:`port`. Checksums are left out.
Bytes SegmentTo(int port, const std::string& payload, size_t padding = 0) {
  Bytes frame(kPayload, 0);
  const size_t length = 40 + payload.size();
  frame[12] = 0x08;
  frame[kIp] = 0x45;
  frame[kIp + 2] = static_cast<uint8_t>(length >> 8);
  frame[kIp + 3] = static_cast<uint8_t>(length);
  frame[kIp + 9] = 6;
  const Bytes addresses = {10, 78, 0, 1, 10, 78, 0, 2};
  std::ranges::copy(addresses, frame.begin() + kIp + 12);
  frame[kTcp] = 40000 >> 8;
  frame[kTcp + 1] = 40000 & 0xff;
  frame[kTcp + 2] = static_cast<uint8_t>(port >> 8);
  frame[kTcp + 3] = static_cast<uint8_t>(port);
  frame[kTcp + 12] = 0x50;
  frame.insert(frame.end(), payload.begin(), payload.end());
  frame.resize(frame.size() + padding);
  return frame;
}

// One's complement sums over a whole header with its checksum are 0xffff.
uint32_t Folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

uint32_t Sum(const Bytes& bytes, size_t from, size_t to) {
  uint32_t sum = 0;
  for (size_t i = from; i < to; ++i) {
    sum += (i - from) % 2 ? bytes[i] : bytes[i] * 256u;
  }
  return sum;
}

bool ChecksumsAreRight(const Bytes& frame) {
  const size_t end = kIp + frame[kIp + 2] * 256u + frame[kIp + 3];
  const uint32_t pseudo =
      Sum(frame, kIp + 12, kIp + 20) + 6 + static_cast<uint32_t>(end - kTcp);
  return Folded(Sum(frame, kIp, kTcp)) == 0xffff &&
         Folded(pseudo + Sum(frame, kTcp, end)) == 0xffff;
}

int BitsThatDiffer(const Bytes& a, const Bytes& b, size_t from) {
  int bits = 0;
  for (size_t i = from; i < a.size(); ++i) {
    bits += std::popcount(static_cast<unsigned>(a[i] ^ b[i]));
  }
  return bits;
}

TEST(TcpInjector, Unarmed_ChangesNothing) {
  TcpInjector injector(1);
  Bytes frame = SegmentTo(7600, "hello");
  const Bytes before = frame;
  EXPECT_TRUE(injector.Pass(frame));
  EXPECT_EQ(frame, before);
}

TEST(TcpInjector, Corrupt_TurnsOneBitOnceUnderARightChecksum) {
  TcpInjector injector(1);
  injector.Arm(StreamFault::kCorrupt, 7600, 4);
  Bytes other = SegmentTo(7601, "another stream");
  Bytes small = SegmentTo(7600, "abc");
  const Bytes before = SegmentTo(7600, "hello, world", 6);
  Bytes frame = before;
  EXPECT_TRUE(injector.Pass(other));
  EXPECT_TRUE(injector.Pass(small));
  EXPECT_EQ(injector.corrupted(), 0u);
  EXPECT_TRUE(injector.Pass(frame));
  EXPECT_EQ(injector.corrupted(), 1u);
  EXPECT_EQ(BitsThatDiffer(frame, before, kPayload), 1);
  EXPECT_EQ(Bytes(frame.end() - 6, frame.end()), Bytes(6, 0)) << "padding";
  EXPECT_TRUE(ChecksumsAreRight(frame));
  Bytes next = before;
  EXPECT_TRUE(injector.Pass(next));
  EXPECT_EQ(next, before);
}

TEST(TcpInjector, Truncate_EndsTheStreamInTheMiddle) {
  TcpInjector injector(1);
  injector.Arm(StreamFault::kTruncate, 7600, 1);
  Bytes frame = SegmentTo(7600, "0123456789", 8);
  EXPECT_TRUE(injector.Pass(frame));
  EXPECT_EQ(std::string(frame.begin() + kPayload, frame.end()), "01234");
  EXPECT_EQ(frame[kTcp + 13] & 1, 1) << "FIN";
  EXPECT_TRUE(ChecksumsAreRight(frame));
  Bytes more = SegmentTo(7600, "56789");
  EXPECT_FALSE(injector.Pass(more));
  Bytes other = SegmentTo(7601, "another stream");
  EXPECT_TRUE(injector.Pass(other));
  EXPECT_EQ(injector.truncated(), 1u);
}

TEST(TcpInjector, WhatIsNoWholeSegment_Passes) {
  TcpInjector injector(1);
  injector.Arm(StreamFault::kCorrupt, 7600, 1);
  Bytes udp = SegmentTo(7600, "hello");
  udp[kIp + 9] = 17;
  Bytes fragment = SegmentTo(7600, "hello");
  fragment[kIp + 6] = 0x20;
  Bytes cut_off = SegmentTo(7600, "hello");
  cut_off.resize(40);
  Bytes long_header = SegmentTo(7600, "hello");
  long_header[kTcp + 12] = 0xf0;
  Bytes nothing;
  for (Bytes* frame : {&udp, &fragment, &cut_off, &long_header, &nothing}) {
    const Bytes before = *frame;
    EXPECT_TRUE(injector.Pass(*frame));
    EXPECT_EQ(*frame, before);
  }
}

}  // namespace
}  // namespace ft::chaos
