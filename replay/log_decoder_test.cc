// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_decoder.h"

#include <gmock/gmock.h>

#include <random>
#include <vector>

namespace ft::replay {
namespace {

using logchannel::LogEntry;
using ::testing::HasSubstr;

constexpr uint64_t kPosition = 1000;

// Events as the engine puts them.
class Payload {
 public:
  Payload& Byte(uint64_t value) { return Number(value, 1); }
  Payload& Dword(uint64_t value) { return Number(value, 4); }
  Payload& Qword(uint64_t value) { return Number(value, 8); }
  Payload& Array(size_t bytes) {
    Dword(bytes);
    bytes_.resize(bytes_.size() + bytes, std::byte{0x5a});
    return *this;
  }
  LogEntry entry() const {
    return {.position = kPosition, .payload = std::span(bytes_)};
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  Payload& Number(uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
      bytes_.push_back(static_cast<std::byte>(value >> shift));
    }
    return *this;
  }
  std::vector<std::byte> bytes_;
};

std::vector<LogEvent> Decode(const Payload& payload) {
  LogDecoder decoder;
  decoder.Begin(payload.entry());
  std::vector<LogEvent> events;
  while (auto event = decoder.Next()) events.push_back(*event);
  EXPECT_TRUE(decoder.status().ok()) << decoder.status().message();
  return events;
}

LogEvent DecodeOne(const Payload& payload) {
  const auto events = Decode(payload);
  EXPECT_EQ(events.size(), 1u);
  return events.empty() ? LogEvent{} : events.front();
}

TEST(LogDecoder, CountsInstructionsAndPositions) {
  Payload payload;
  payload.Byte(0).Dword(100).Byte(1).Byte(0).Dword(7).Byte(3).Qword(55);
  const auto events = Decode(payload);
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(Summary(events[0]), "instruction: 100 more");
  EXPECT_EQ(events[0].position, kPosition + 4);
  EXPECT_EQ(events[0].instruction, 0u);
  EXPECT_EQ(Summary(events[1]), "interrupt");
  EXPECT_EQ(events[1].instruction, 100u);
  EXPECT_EQ(events[3].kind, EventKind::kBottomHalf);
  EXPECT_EQ(events[3].instruction, 107u);
  EXPECT_EQ(events[3].value, 55);
  EXPECT_EQ(events[3].position, kPosition + 4 + 5 + 1 + 5);
  EXPECT_EQ(events[3].bytes, 9u);
}

TEST(LogDecoder, AsynchronousEvents) {
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(4).Qword(9))),
            "bottom-half-once: scheduled at 9");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(6))), "input-sync");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(7).Byte(2).Array(3))),
            "char-read: 3 bytes from device 2");
  const Payload read =
      std::move(Payload().Byte(8).Qword(4).Dword(0).Array(512));
  EXPECT_EQ(Summary(DecodeOne(read)), "block: request 4, result 0, 512 bytes");
  EXPECT_EQ(DecodeOne(read).data.size(), 512u);
  const Payload failed =
      std::move(Payload().Byte(8).Qword(5).Dword(0xfffffffb).Array(0));
  EXPECT_EQ(Summary(DecodeOne(failed)), "block: request 5, result -5, 0 bytes");
  const Payload net = std::move(Payload().Byte(9).Byte(1).Dword(8).Array(60));
  const LogEvent packet = DecodeOne(net);
  EXPECT_EQ(Summary(packet), "net: 60 bytes on NIC 1");
  EXPECT_EQ(packet.value, 8);
  EXPECT_EQ(packet.data.size(), 60u);
  EXPECT_EQ(packet.bytes, 1 + 1 + 4 + 4 + 60u);
}

TEST(LogDecoder, Input) {
  EXPECT_EQ(
      Summary(DecodeOne(Payload().Byte(5).Dword(0).Dword(0).Qword(30).Byte(1))),
      "input: key 30, 1");
  EXPECT_EQ(
      Summary(DecodeOne(Payload().Byte(5).Dword(0).Dword(1).Dword(31).Byte(0))),
      "input: key 31, 0");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(5).Dword(1).Dword(2).Byte(1))),
            "input: button 2, 1");
  EXPECT_EQ(Summary(DecodeOne(
                Payload().Byte(5).Dword(2).Dword(1).Qword(uint64_t(-5)))),
            "input: relative move -5, 1");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(5).Dword(3).Dword(0).Qword(9))),
            "input: absolute move 9, 0");
}

TEST(LogDecoder, ShutdownsAndCharacterDevices) {
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(10 + 6))),
            "shutdown: guest-shutdown");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(21))), "shutdown: number 11");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(22).Dword(5).Dword(0))),
            "char-write: result 5, offset 0");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(23).Array(4))),
            "char-read-all: 4 bytes");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(24).Dword(0xfffffffb))),
            "char-read-error: error -5");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(25).Qword(3))),
            "audio-out: 3 samples");
  Payload audio;
  audio.Byte(26).Qword(2).Qword(7).Qword(1).Qword(2).Qword(3).Qword(4);
  EXPECT_EQ(Summary(DecodeOne(audio)), "audio-in: 2 samples at 7");
}

TEST(LogDecoder, OursAndDigests) {
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(27).Dword(1 << 19))),
            "rate: 0.5000 ns per instruction");
  EXPECT_EQ(
      Summary(DecodeOne(Payload().Byte(28).Dword(0xabc).Dword(3).Dword(0xd))),
      "digest: registers 00000abc, RAM from 1536 KiB on 0000000d");
  Payload state;
  state.Byte(29).Dword(1).Dword(3).Dword(40).Byte(2);
  state.Dword(100).Dword(0xaa).Dword(101).Dword(0xbb);
  const LogEvent event = DecodeOne(state);
  EXPECT_EQ(event.cpu, 1u);
  EXPECT_EQ(event.ram, 3u);
  EXPECT_EQ(event.pages, 40u);
  ASSERT_EQ(PageSums(event), 2u);
  EXPECT_EQ(PageSumAt(event, 1).page, 101u);
  EXPECT_EQ(PageSumAt(event, 1).crc32, 0xbbu);
  EXPECT_EQ(Summary(event),
            "state: registers 00000001, RAM 00000003, 40 pages written: "
            "0x64 000000aa, 0x65 000000bb");
  Payload all;
  all.Byte(29).Dword(1).Dword(3).Dword(kAllPages).Byte(0);
  EXPECT_EQ(Summary(DecodeOne(all)),
            "state: registers 00000001, RAM 00000003, all pages");
  const Payload devices =
      std::move(Payload().Byte(30).Byte(2).Dword(7).Dword(0xabcdef));
  EXPECT_EQ(Summary(DecodeOne(devices)), "devices: 2: 00000007, 00abcdef");
  EXPECT_EQ(DeviceSumAt(DecodeOne(devices), 1), 0xabcdefu);
  EXPECT_EQ(PageSums(DecodeOne(devices)), 0u);
  Payload many;
  many.Byte(30).Byte(30);
  for (int i = 0; i < 30; ++i) many.Dword(1);
  EXPECT_EQ(Summary(DecodeOne(many)),
            "devices: 30: 00000001, 00000001, 00000001, 00000001 ...");
}

TEST(LogDecoder, KindsBehindTheDigests) {
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(31).Dword(0).Array(8))),
            "random: 8 bytes, result 0");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(32).Qword(5))),
            "clock: host 5 ns");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(33).Qword(77))),
            "clock: virtual-rt 77 ns");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(34))),
            "checkpoint: clock-warp-start");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(42))), "checkpoint: reset");
  EXPECT_EQ(Summary(DecodeOne(Payload().Byte(43))), "end");
}

TEST(LogDecoder, RefusesWhatItDoesNotKnow) {
  for (int kind = 44; kind < 256; ++kind) {
    Payload payload;
    payload.Byte(1).Byte(static_cast<uint64_t>(kind)).Byte(1);
    LogDecoder decoder;
    decoder.Begin(payload.entry());
    EXPECT_TRUE(decoder.Next());
    EXPECT_FALSE(decoder.Next());
    EXPECT_FALSE(decoder.Next());
    EXPECT_THAT(decoder.status().message(),
                HasSubstr("unknown event " + std::to_string(kind) +
                          " at position 1005"));
  }
}

TEST(LogDecoder, RefusesLengthsBeyondTheEntry) {
  for (Payload payload :
       {Payload().Byte(9).Byte(0).Dword(0).Dword(0xffffffff),
        Payload().Byte(8).Qword(0).Dword(0).Dword(0xffffffff),
        Payload().Byte(29).Dword(0).Dword(0).Dword(1).Byte(255),
        Payload().Byte(30).Byte(255).Dword(0),
        Payload().Byte(26).Qword(uint64_t(1) << 60).Qword(0).Qword(0),
        Payload().Byte(5).Dword(4).Qword(0).Qword(0),
        Payload().Byte(5).Dword(0).Dword(2).Qword(0)}) {
    LogDecoder decoder;
    decoder.Begin(payload.entry());
    EXPECT_FALSE(decoder.Next());
    EXPECT_THAT(decoder.status().message(), HasSubstr("at position 1004"));
  }
}

TEST(LogDecoder, EveryCutIsFound) {
  Payload whole;
  whole.Byte(29).Dword(1).Dword(3).Dword(40).Byte(1).Dword(1).Dword(2);
  for (size_t size = 1; size < whole.bytes().size(); ++size) {
    Payload cut = whole;
    cut.bytes().resize(size);
    LogDecoder decoder;
    decoder.Begin(cut.entry());
    EXPECT_FALSE(decoder.Next());
    EXPECT_FALSE(decoder.status().ok()) << size;
  }
}

// Any bytes: it ends, each event takes some, and none lies outside.
TEST(LogDecoder, SurvivesNoise) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    Payload noise;
    const size_t size = random() % 64;
    // Mostly small numbers, so that kinds are known and lengths fit.
    for (size_t i = 0; i < size; ++i) {
      noise.Byte(random() % (random() % 2 ? 48 : 256) * (random() % 3 != 0));
    }
    LogDecoder decoder;
    decoder.Begin(noise.entry());
    size_t taken = 0;
    while (auto event = decoder.Next()) {
      ASSERT_GT(event->bytes, 0u);
      taken += event->bytes;
      ASSERT_LE(event->data.size(), event->bytes);
      (void)Summary(*event);
    }
    ASSERT_LE(taken, size);
    if (decoder.status().ok()) {
      ASSERT_EQ(taken, size);
    }
  }
}

}  // namespace
}  // namespace ft::replay
