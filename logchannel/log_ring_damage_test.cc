// SPDX-License-Identifier: GPL-2.0-or-later
//
// What lies in the shared memory may be anything: an answer, never a crash,
// and never another's bytes.
#include <gmock/gmock.h>

#include <random>

#include "logchannel/engine_ring_for_test.h"
#include "logchannel/log_ring.h"

namespace ft::logchannel {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kSmallRing = 8192;

Bytes RandomEntry(uint64_t seed, size_t bytes) {
  const Bytes payload = PayloadForTest(seed, bytes);
  Bytes entry(kEntryHeaderBytes);
  EncodeEntryHeader({.payload_bytes = static_cast<uint32_t>(payload.size())},
                    std::span(entry).first<kEntryHeaderBytes>());
  entry.insert(entry.end(), payload.begin(), payload.end());
  return entry;
}

class LogRingDamageTest : public ::testing::Test {
 protected:
  std::unique_ptr<EngineRingForTest> Engine(Direction direction,
                                            LogPosition position = 0) {
    return EngineRingForTest::Create({.path = path_,
                                      .data_size = kSmallRing,
                                      .direction = direction,
                                      .position = position});
  }
  std::unique_ptr<LogRing> Attach() {
    auto ring = LogRing::Attach(path_);
    EXPECT_TRUE(ring.ok()) << ring.status().message();
    return std::move(*ring);
  }
  // Why nothing is read.
  std::string ReadRefusal(LogRing& ring, LogPosition from) {
    const auto bytes = ring.ReadEntries(from, room_);
    EXPECT_FALSE(bytes.ok());
    return bytes.status().message();
  }

  const RingDirectoryForTest directory_;
  const std::string path_ = directory_.ring_path("vm1");
  Bytes room_ = Bytes(kEntryBytesMax);
};

TEST_F(LogRingDamageTest, AcknowledgingMoreThanThereIsIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  EXPECT_TRUE(ring->Acknowledge(10).ok());
  ASSERT_TRUE(engine->CommitRandom(2, 6));
  engine->shared()->committed = 15;
  EXPECT_EQ(ring->Acknowledge(20).message(),
            "log ring " + path_ + " is damaged: acknowledge 20, committed 15");
  EXPECT_EQ(ring->acknowledged(), 10u);
}

TEST_F(LogRingDamageTest, AcknowledgingInAnotherDirectionIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  engine->shared()->direction = 77;
  EXPECT_THAT(ring->Acknowledge(10).message(),
              HasSubstr("direction 77, expected 1"));
}

TEST_F(LogRingDamageTest, GarbageInPlaceOfAnEntryIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  engine->data(0) = std::byte{0xee};
  EXPECT_THAT(ReadRefusal(*ring, 0),
              AllOf(HasSubstr("log ring " + path_ + " is damaged"),
                    HasSubstr("unknown kind 238"), HasSubstr("at position 0")));
}

TEST_F(LogRingDamageTest, EntryOfImpossibleLengthIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  engine->data(3) = std::byte{0xff};
  EXPECT_THAT(ReadRefusal(*ring, 0), HasSubstr("bytes, limit 4194304"));
}

TEST_F(LogRingDamageTest, TornEntryIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  engine->shared()->committed -= 1;
  EXPECT_THAT(ReadRefusal(*ring, 0),
              HasSubstr("entry of 10 bytes at position 0 reaches past "
                        "committed 9"));
  engine->shared()->committed = 2;
  EXPECT_THAT(ReadRefusal(*ring, 0),
              HasSubstr("entry header at position 0 reaches past committed 2"));
}

// The whole entries before the damage are not given out either: whoever reads
// them would come back for the rest for ever.
TEST_F(LogRingDamageTest, DamageBehindWholeEntriesIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  ASSERT_TRUE(engine->CommitRandom(2, 6));
  engine->data(10) = std::byte{0};
  EXPECT_THAT(ReadRefusal(*ring, 0), HasSubstr("at position 10"));
}

TEST_F(LogRingDamageTest, ReadingWhatWasGivenAwayIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  EXPECT_TRUE(ring->Acknowledge(10).ok());
  EXPECT_THAT(ReadRefusal(*ring, 0),
              HasSubstr("read from 0, acknowledged 10, committed 10"));
}

TEST_F(LogRingDamageTest, ReadingADiscardedLogIsRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  engine->set_log_mode(LogMode::kDiscard);
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  EXPECT_THAT(ReadRefusal(*ring, 0), HasSubstr("read from 0, acknowledged 10"));
}

TEST_F(LogRingDamageTest, PositionsBeyondTheRingAreRefused) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  for (const LogPosition committed : {kSmallRing + 1, ~uint64_t{0}}) {
    engine->shared()->committed = committed;
    EXPECT_THAT(ReadRefusal(*ring, 0), HasSubstr("read from 0"));
  }
  engine->shared()->committed = 0;
  EXPECT_THAT(ReadRefusal(*ring, 8), HasSubstr("read from 8"));
}

TEST_F(LogRingDamageTest, HeaderThatWasWrittenOverIsNoticed) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  EXPECT_TRUE(ring->CheckHeader(Direction::kRecord).ok());
  EXPECT_THAT(ring->CheckHeader(Direction::kReplay).message(),
              HasSubstr("is damaged: direction 1, expected 2"));
  engine->shared()->data_size = 7;
  EXPECT_THAT(ring->CheckHeader(Direction::kRecord).message(),
              HasSubstr("data_size 7, expected 8192"));
  engine->shared()->magic = 5;
  EXPECT_THAT(ring->CheckHeader(Direction::kRecord).message(),
              HasSubstr("magic 5, expected"));
}

// Whatever is written over whatever: an answer, never a crash.
TEST_F(LogRingDamageTest, ScribbledRingNeverStopsUs) {
  std::mt19937_64 random(1);
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    auto engine = Engine(round % 2 ? Direction::kRecord : Direction::kReplay);
    auto ring = Attach();
    const bool record = round % 2 == 1;
    for (int i = 0; record && i < 5; ++i) (void)engine->CommitRandom(i, 90);
    auto* file = reinterpret_cast<std::byte*>(engine->shared());
    for (int i = 0; i < 4; ++i) {
      // The words of the header, or the first entries.
      const size_t at = random() % 2 ? random() % sizeof(ft_ring)
                                     : FT_RING_HEADER_BYTES + random() % 400;
      file[at] = static_cast<std::byte>(random());
    }
    const auto read = ring->ReadEntries(0, room_);
    const Status taken = ring->Acknowledge(random() % 500);
    const auto appended =
        ring->AppendEntries(random() % 500, RandomEntry(9, 20));
    refused += !read.ok() || !taken.ok() || !appended.ok();
    (void)ring->free_bytes();
    (void)ring->engine_build();
    (void)ring->CheckHeader(Direction::kRecord);
  }
  EXPECT_GT(refused, 300);
}

TEST_F(LogRingDamageTest, AppendingBehindForeignPositionsIsRefused) {
  auto engine = Engine(Direction::kReplay, 100);
  auto ring = Attach();
  const auto refusal = [&ring](LogPosition first) {
    return ring->AppendEntries(first, RandomEntry(1, 4)).status().message();
  };
  EXPECT_THAT(refusal(104), HasSubstr("append at 104, committed 100"));
  engine->shared()->consumed = 101;
  EXPECT_THAT(refusal(100), HasSubstr("consumed 101"));
  EXPECT_EQ(ring->free_bytes(), kSmallRing) << "nobody waits for room";
  engine->shared()->consumed = 100;
  engine->shared()->direction = FT_RING_RECORD;
  EXPECT_THAT(refusal(100), HasSubstr("direction 1"));
  EXPECT_EQ(ring->committed(), 100u);
}

}  // namespace
}  // namespace ft::logchannel
