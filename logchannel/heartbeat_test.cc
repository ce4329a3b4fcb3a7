// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/heartbeat.h"

#include <gmock/gmock.h>

#include <chrono>

#include "logchannel/crc32c.h"
#include "logchannel/frame.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

wire::Heartbeat Beat(uint64_t epoch, uint64_t sequence) {
  wire::Heartbeat heartbeat;
  heartbeat.set_vm("vm1");
  heartbeat.set_host("hostA");
  heartbeat.set_epoch(epoch);
  heartbeat.set_sequence(sequence);
  return heartbeat;
}

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// A datagram around any body, its magic and CRC right.
std::string Datagram(const std::string& body) {
  std::string datagram(kHeartbeatPrefixBytes, '\0');
  auto prefix = std::as_writable_bytes(std::span(datagram));
  StoreU32(kHeartbeatMagic, prefix.subspan<0, 4>());
  StoreU32(Crc32c(Bytes(body)), prefix.subspan<4, 4>());
  return datagram + body;
}

// docs/log-channel.md, "Heartbeats".
TEST(Heartbeat, LiesOnTheWireAsTheDocumentationShows) {
  EXPECT_EQ(EncodeHeartbeat(Beat(7, 300)),
            std::string("FTHB\x5e\xd2\x1f\x99"
                        "\x08\x03\x12\x03vm1\x18\x07\x22\x05hostA"
                        "\x28\xac\x02"));
}

TEST(Heartbeat, DecodesWhatWasEncoded) {
  const std::string datagram = EncodeHeartbeat(Beat(3, 17));
  EXPECT_EQ(datagram.substr(0, 4), "FTHB");
  const auto heartbeat = DecodeHeartbeat(Bytes(datagram));
  ASSERT_TRUE(heartbeat.ok()) << heartbeat.status().message();
  EXPECT_EQ(heartbeat->version(), kLogChannelVersion);
  EXPECT_EQ(heartbeat->vm(), "vm1");
  EXPECT_EQ(heartbeat->host(), "hostA");
  EXPECT_EQ(heartbeat->epoch(), 3u);
  EXPECT_EQ(heartbeat->sequence(), 17u);
}

TEST(Heartbeat, EchoIsCarried) {
  wire::Heartbeat beat = Beat(3, 17);
  beat.set_echo(16);
  const auto heartbeat = DecodeHeartbeat(Bytes(EncodeHeartbeat(beat)));
  ASSERT_TRUE(heartbeat.ok()) << heartbeat.status().message();
  EXPECT_EQ(heartbeat->echo(), 16u);
}

// A beat takes 50 ms, a number 1 ms: who starts later starts above.
TEST(Heartbeat, SequencesOfALaterProcessStartAbove) {
  const uint64_t first = FirstHeartbeatSequence();
  const auto end = std::chrono::steady_clock::now() + 20ms;
  while (std::chrono::steady_clock::now() < end) {
  }
  EXPECT_GE(FirstHeartbeatSequence(), first + 19);
}

TEST(Heartbeat, EveryFlippedBitIsRefused) {
  const std::string good = EncodeHeartbeat(Beat(3, 17));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    EXPECT_FALSE(DecodeHeartbeat(Bytes(bad)).ok()) << "bit " << bit;
  }
}

TEST(Heartbeat, EveryCutIsRefused) {
  const std::string good = EncodeHeartbeat(Beat(3, 17));
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_FALSE(DecodeHeartbeat(Bytes(good.substr(0, cut))).ok()) << cut;
  }
}

TEST(Heartbeat, OverTheLimitIsRefused) {
  const auto refused = DecodeHeartbeat(Bytes(std::string(513, 'x')));
  EXPECT_THAT(refused.status().message(), HasSubstr("limit of 512 bytes"));
}

TEST(Heartbeat, IntactBodyThatIsNoHeartbeatIsRefused) {
  const std::string datagram = Datagram("\xff\xff\xff");
  EXPECT_THAT(DecodeHeartbeat(Bytes(datagram)).status().message(),
              HasSubstr("not a Heartbeat message"));
}

TEST(Heartbeat, OtherVersionIsRefused) {
  wire::Heartbeat heartbeat = Beat(3, 17);
  heartbeat.set_version(9);
  const std::string datagram = Datagram(heartbeat.SerializeAsString());
  EXPECT_THAT(DecodeHeartbeat(Bytes(datagram)).status().message(),
              HasSubstr("log channel version 9"));
}

TEST(HeartbeatOrder, LateAndDoubledDatagramsAreOld) {
  HeartbeatOrder order;
  EXPECT_TRUE(order.Accept(Beat(3, 0)));
  EXPECT_TRUE(order.Accept(Beat(3, 2)));
  EXPECT_FALSE(order.Accept(Beat(3, 1))) << "late";
  EXPECT_FALSE(order.Accept(Beat(3, 2))) << "doubled";
  EXPECT_TRUE(order.Accept(Beat(3, 3)));
}

TEST(HeartbeatOrder, NewEpochStartsAfresh) {
  HeartbeatOrder order;
  EXPECT_TRUE(order.Accept(Beat(3, 100)));
  EXPECT_TRUE(order.Accept(Beat(4, 0)));
  EXPECT_FALSE(order.Accept(Beat(3, 101))) << "an epoch never returns";
}

}  // namespace
}  // namespace ft::logchannel
