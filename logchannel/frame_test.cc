// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/frame.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <random>

#include "logchannel/crc32c.h"
#include "logchannel/engine_ring_for_test.h"
#include "logchannel/little_endian.h"

namespace ft::logchannel {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

wire::FrameHeader HelloHeader(uint32_t version = kLogChannelVersion) {
  wire::FrameHeader header;
  header.set_epoch(3);
  header.mutable_hello()->set_version(version);
  header.mutable_hello()->set_host("hostA");
  return header;
}

wire::FrameHeader EntriesHeader(uint64_t first) {
  wire::FrameHeader header;
  header.set_epoch(3);
  header.mutable_entries()->set_first(first);
  return header;
}

wire::FrameHeader AckHeader(uint64_t received) {
  wire::FrameHeader header;
  header.set_epoch(3);
  header.mutable_ack()->set_received(received);
  return header;
}

Bytes Encode(const wire::FrameHeader& header, const Bytes& payload = {}) {
  const std::string head = EncodeFrameHead(header, payload);
  const auto head_bytes = std::as_bytes(std::span(head));
  Bytes bytes(head_bytes.begin(), head_bytes.end());
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

std::string Hex(const Bytes& bytes) {
  std::string hex;
  for (std::byte byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<int>(byte) >> 4];
    hex += kDigits[static_cast<int>(byte) & 15];
  }
  return hex;
}

void Append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

// A frame with any prefix and any header bytes, its CRC right.
Bytes Raw(uint32_t magic, const std::string& header, uint32_t payload_bytes,
          uint32_t header_bytes) {
  Bytes bytes(kFramePrefixBytes);
  auto prefix = std::span(bytes);
  StoreU32(magic, prefix.subspan<0, 4>());
  StoreU32(header_bytes, prefix.subspan<4, 4>());
  StoreU32(payload_bytes, prefix.subspan<8, 4>());
  StoreU32(Crc32c(std::as_bytes(std::span(header))), prefix.subspan<12, 4>());
  for (char c : header) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

Bytes Raw(const std::string& header) {
  return Raw(kFrameMagic, header, 0, header.size());
}

// Feeds `stream` in steps of at most `step(remaining)` bytes; collects the
// frames until the stream or the decoder ends.
struct Decoded {
  std::vector<Frame> frames;
  Status status;
};

Decoded Feed(FrameDecoder& decoder, std::span<const std::byte> stream,
             const std::function<size_t(size_t)>& step) {
  Decoded decoded;
  for (;;) {
    auto frame = decoder.Next();
    if (!frame.ok()) {
      decoded.status = frame.status();
      return decoded;
    }
    if (frame->has_value()) {
      decoded.frames.push_back(std::move(**frame));
      continue;
    }
    if (stream.empty()) return decoded;
    auto space = decoder.Space();
    EXPECT_FALSE(space.empty());
    const size_t n =
        std::min({space.size(), stream.size(), step(stream.size())});
    std::memcpy(space.data(), stream.data(), n);
    decoder.Filled(n);
    stream = stream.subspan(n);
  }
}

Decoded FeedAll(const Bytes& stream) {
  FrameDecoder decoder;
  return Feed(decoder, stream, [](size_t all) { return all; });
}

Status Refusal(const Bytes& stream) { return FeedAll(stream).status; }

// docs/log-channel.md, "Examples in bytes".
TEST(Frame, LiesOnTheWireAsTheDocumentationShows) {
  wire::FrameHeader ack = AckHeader(300);
  ack.set_epoch(7);
  ack.mutable_ack()->set_replayed(256);
  EXPECT_EQ(Hex(Encode(ack)),
            "46544c470a000000000000006dc69ce9"
            "0807320608ac02108002");

  wire::FrameHeader entries = EntriesHeader(4096);
  entries.set_epoch(7);
  entries.mutable_entries()->set_released(4000);
  const Bytes log = {std::byte{0x01}, std::byte{0x05}, std::byte{0x00},
                     std::byte{0x00}, std::byte{0x02}, std::byte{0x01},
                     std::byte{0x00}, std::byte{0x00}, std::byte{0x10}};
  EXPECT_EQ(Hex(Encode(entries, log)),
            "46544c470a0000000900000002999589"
            "08072a0608802010a01f"
            "01050000"
            "0201000010");
}

TEST(FrameDecoder, ReturnsWhatWasEncoded) {
  Bytes stream = Encode(HelloHeader());
  const Bytes payload = PayloadForTest(1, 1000);
  Append(stream, Encode(EntriesHeader(42), payload));
  const Decoded decoded = FeedAll(stream);
  ASSERT_TRUE(decoded.status.ok()) << decoded.status.message();
  ASSERT_EQ(decoded.frames.size(), 2u);
  EXPECT_EQ(decoded.frames[0].header.hello().host(), "hostA");
  EXPECT_TRUE(decoded.frames[0].payload.empty());
  EXPECT_EQ(decoded.frames[1].header.entries().first(), 42u);
  EXPECT_EQ(decoded.frames[1].payload, payload);
}

TEST(FrameDecoder, FedByteByByteGivesTheSameFrames) {
  Bytes stream = Encode(HelloHeader());
  Append(stream, Encode(EntriesHeader(42), PayloadForTest(1, 300)));
  Append(stream, Encode(AckHeader(9)));
  FrameDecoder decoder;
  const Decoded decoded = Feed(decoder, stream, [](size_t) { return 1; });
  ASSERT_TRUE(decoded.status.ok());
  ASSERT_EQ(decoded.frames.size(), 3u);
  EXPECT_EQ(decoded.frames[1].payload, PayloadForTest(1, 300));
  EXPECT_EQ(decoded.frames[2].header.ack().received(), 9u);
  EXPECT_TRUE(decoder.at_boundary());
}

TEST(FrameDecoder, AnyMixOfFramesAndReadSizesSurvives) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  Bytes stream = Encode(HelloHeader());
  std::vector<Bytes> payloads = {{}};
  for (int i = 0; i < 60; ++i) {
    const size_t limit = i % 10 == 0 ? 400'000 : 200;
    payloads.push_back(PayloadForTest(i, random() % limit));
    Append(stream, Encode(EntriesHeader(i), payloads.back()));
  }
  FrameDecoder decoder;
  const Decoded decoded = Feed(decoder, stream, [&](size_t) -> size_t {
    return 1 + random() % (random() % 3 == 0 ? 100 : 100'000);
  });
  ASSERT_TRUE(decoded.status.ok()) << decoded.status.message();
  ASSERT_EQ(decoded.frames.size(), payloads.size());
  for (size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_EQ(decoded.frames[i].payload, payloads[i]) << i;
  }
}

TEST(FrameDecoder, LargePayloadIsReadInPlace) {
  FrameDecoder decoder;
  const Bytes payload = PayloadForTest(5, kFramePayloadBytesMax);
  Bytes stream = Encode(HelloHeader());
  Append(stream, Encode(EntriesHeader(0), payload));
  size_t reads = 0;
  const Decoded decoded = Feed(decoder, stream, [&](size_t all) {
    ++reads;
    return all;
  });
  ASSERT_TRUE(decoded.status.ok());
  ASSERT_EQ(decoded.frames.size(), 2u);
  EXPECT_EQ(decoded.frames[1].payload, payload);
  EXPECT_EQ(reads, 2u) << "one into the staging buffer, one for the rest";
}

TEST(FrameDecoder, SmallFramesThatCameTogetherTakeOneRead) {
  Bytes stream = Encode(HelloHeader());
  for (int i = 0; i < 100; ++i) Append(stream, Encode(AckHeader(i)));
  FrameDecoder decoder;
  size_t reads = 0;
  const Decoded decoded = Feed(decoder, stream, [&](size_t all) {
    ++reads;
    return all;
  });
  EXPECT_EQ(decoded.frames.size(), 101u);
  EXPECT_EQ(reads, 1u);
}

TEST(FrameDecoder, BoundaryIsOnlyBetweenFrames) {
  const Bytes hello = Encode(HelloHeader());
  FrameDecoder decoder;
  EXPECT_TRUE(decoder.at_boundary());
  for (size_t i = 0; i < hello.size(); ++i) {
    decoder.Space()[0] = hello[i];
    decoder.Filled(1);
    EXPECT_FALSE(decoder.at_boundary());
    const auto frame = decoder.Next();
    ASSERT_TRUE(frame.ok());
    EXPECT_EQ(frame->has_value(), i + 1 == hello.size());
  }
  EXPECT_TRUE(decoder.at_boundary());
}

TEST(FrameDecoder, WrongMagicIsRefusedAtTheFourthByte) {
  EXPECT_EQ(Refusal(PayloadForTest(1, 4)).message(),
            "not a log channel frame (wrong magic)");
  EXPECT_TRUE(Refusal(PayloadForTest(1, 3)).ok());
}

TEST(FrameDecoder, HeaderOverTheLimitIsRefusedBeforeItComes) {
  EXPECT_EQ(Refusal(Raw(kFrameMagic, "", 0, (64u << 10) + 1)).message(),
            "frame header of 65537 bytes, limit 65536");
}

TEST(FrameDecoder, PayloadOverTheLimitIsRefusedBeforeItComes) {
  Bytes stream = Encode(HelloHeader());
  Append(stream, Raw(kFrameMagic, "", (8u << 20) + 1, 0));
  EXPECT_EQ(Refusal(stream).message(),
            "frame payload of 8388609 bytes, limit 8388608");
}

TEST(FrameDecoder, StrangersPayloadGetsNoMemory) {
  EXPECT_THAT(Refusal(Raw(kFrameMagic, "", 8u << 20, 0)).message(),
              HasSubstr("first frame has a payload"));
}

TEST(FrameDecoder, EveryFlippedBitIsRefused) {
  Bytes good = Encode(HelloHeader());
  const size_t start = good.size();
  Append(good, Encode(EntriesHeader(42), PayloadForTest(1, 20)));
  for (size_t bit = start * 8; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    const Decoded decoded = FeedAll(bad);
    // A flip in a length may also leave the decoder waiting for more bytes.
    EXPECT_EQ(decoded.frames.size(), 1u) << "bit " << bit;
  }
}

TEST(FrameDecoder, DamageSaysSo) {
  Bytes bytes = Encode(HelloHeader());
  bytes.back() ^= std::byte{1};
  EXPECT_EQ(Refusal(bytes).message(),
            "frame damaged on the way (CRC32C differs)");
}

TEST(FrameDecoder, IntactHeaderThatIsNoMessageIsRefused) {
  EXPECT_EQ(Refusal(Raw("\xff\xff\xff")).message(),
            "frame header is not a FrameHeader message");
}

TEST(FrameDecoder, MessageOfAnotherVersionIsRefused) {
  // Field 99, as a later version might have; then no message at all.
  const std::string field99("\x9a\x06\x00", 3);
  EXPECT_EQ(Refusal(Raw(field99)).message(),
            "frame carries no message of log channel version 3");
  EXPECT_EQ(Refusal(Raw("")).message(),
            "frame carries no message of log channel version 3");
}

TEST(FrameDecoder, RefusalIsForEver) {
  FrameDecoder decoder;
  const Bytes garbage = PayloadForTest(1, 4);
  EXPECT_FALSE(Feed(decoder, garbage, [](size_t n) { return n; }).status.ok());
  const Bytes good = Encode(HelloHeader());
  const auto second = Feed(decoder, good, [](size_t n) { return n; });
  EXPECT_FALSE(second.status.ok());
  EXPECT_TRUE(second.frames.empty());
  EXPECT_FALSE(decoder.at_boundary());
}

TEST(FrameDecoder, RandomBytesNeverMakeAFrame) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    Bytes stream = Encode(HelloHeader());
    // Half of the rounds get past the magic.
    Bytes garbage = PayloadForTest(random(), 16 + random() % 300);
    if (round % 2 == 0) {
      StoreU32(kFrameMagic, std::span(garbage).first<4>());
      garbage[5] = garbage[6] = garbage[7] = std::byte{0};
      garbage[9] = garbage[10] = garbage[11] = std::byte{0};
    }
    Append(stream, garbage);
    EXPECT_EQ(FeedAll(stream).frames.size(), 1u) << "round " << round;
  }
}

TEST(CheckVersion, OtherVersionIsRefusedNamingBoth) {
  EXPECT_TRUE(CheckVersion(kLogChannelVersion).ok());
  const Status status = CheckVersion(1);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.message(),
            "peer speaks log channel version 1, this host speaks version 3");
  EXPECT_THAT(status.remedy(), HasSubstr("same release"));
}

TEST(FrameDeathTest, SenderDoesNotEncodeWhatReceiversRefuse) {
  const Bytes payload(kFramePayloadBytesMax + 1);
  EXPECT_DEATH((void)EncodeFrameHead(EntriesHeader(0), payload), "8388609");
}

}  // namespace
}  // namespace ft::logchannel
