// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/log_ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "logchannel/engine_ring_for_test.h"

namespace ft::logchannel {
namespace {

using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kSmallRing = 8192;

// A ring file of its own in a directory of its own; the engine's side is
// created by each test, the way it needs it.
class LogRingTest : public ::testing::Test {
 protected:
  std::unique_ptr<EngineRingForTest> Engine(Direction direction,
                                            LogPosition position = 0,
                                            uint64_t size = kSmallRing) {
    return EngineRingForTest::Create({.path = path_,
                                      .data_size = size,
                                      .direction = direction,
                                      .position = position});
  }

  std::unique_ptr<LogRing> Attach() {
    auto ring = LogRing::Attach(path_);
    EXPECT_TRUE(ring.ok()) << ring.status().message();
    return std::move(*ring);
  }

  Status AttachRefusal() {
    auto ring = LogRing::Attach(path_);
    EXPECT_FALSE(ring.ok());
    return ring.status();
  }

  // Entries from `from`, as many as there are.
  Bytes Read(LogRing& ring, LogPosition from) {
    const auto bytes = ring.ReadEntries(from, room_);
    EXPECT_TRUE(bytes.ok()) << bytes.status().message();
    if (!bytes.ok()) return {};
    return {room_.begin(), room_.begin() + *bytes};
  }

  const RingDirectoryForTest directory_;
  const std::string path_ = directory_.ring_path("vm1");
  Bytes room_ = Bytes(kEntryBytesMax);
};

Bytes EntryOf(const Bytes& payload) {
  Bytes entry(kEntryHeaderBytes);
  EncodeEntryHeader({.payload_bytes = static_cast<uint32_t>(payload.size())},
                    std::span(entry).first<kEntryHeaderBytes>());
  entry.insert(entry.end(), payload.begin(), payload.end());
  return entry;
}

Bytes RandomEntry(uint64_t seed, size_t bytes) {
  return EntryOf(PayloadForTest(seed, bytes));
}

// True if there was room.
bool Append(LogRing& ring, LogPosition first, const Bytes& entries) {
  const auto appended = ring.AppendEntries(first, entries);
  EXPECT_TRUE(appended.ok()) << appended.status().message();
  return appended.ok() && *appended;
}

bool Readable(int fd) {
  pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&waited, 1, 0) == 1;
}

// --- Attaching.

TEST_F(LogRingTest, AttachFindsTheEnginesFacts) {
  auto engine = Engine(Direction::kRecord, 1000);
  auto ring = Attach();
  EXPECT_EQ(ring->data_size(), kSmallRing);
  EXPECT_EQ(ring->engine_build(), "test-build");
  EXPECT_EQ(ring->engine_pid(), getpid());
  EXPECT_EQ(ring->direction(), Direction::kRecord);
  EXPECT_EQ(ring->log_mode(), LogMode::kKeep);
  EXPECT_EQ(ring->committed(), 1000u);
  EXPECT_EQ(ring->acknowledged(), 1000u);
  EXPECT_FALSE(ring->holding());
  engine->set_holding(true);
  engine->set_released(900);
  EXPECT_TRUE(ring->holding());
  EXPECT_EQ(ring->released(), 900u);
}

TEST_F(LogRingTest, RestartedFtdGoesOnFromTheSharedPositions) {
  auto engine = Engine(Direction::kRecord);
  ASSERT_TRUE(engine->CommitRandom(1, 100));
  ASSERT_TRUE(engine->CommitRandom(2, 50));
  EXPECT_TRUE(Attach()->Acknowledge(104).ok());
  auto again = Attach();
  EXPECT_EQ(again->acknowledged(), 104u);
  EXPECT_EQ(Read(*again, 104), RandomEntry(2, 50));
}

TEST_F(LogRingTest, MissingFileIsNamed) {
  EXPECT_THAT(AttachRefusal().message(),
              HasSubstr(path_ + ": No such file or directory"));
}

TEST_F(LogRingTest, OtherMagicIsRefused) {
  auto engine = Engine(Direction::kRecord);
  engine->shared()->magic = 0;
  EXPECT_THAT(AttachRefusal().message(), HasSubstr("is not a log ring"));
}

TEST_F(LogRingTest, OtherVersionIsRefusedNamingBoth) {
  auto engine = Engine(Direction::kRecord);
  engine->shared()->version = 9;
  EXPECT_THAT(AttachRefusal().message(),
              HasSubstr("has version 9, this ftd has version " +
                        std::to_string(FT_RING_VERSION)));
}

TEST_F(LogRingTest, SizesThatDisagreeAreRefused) {
  auto engine = Engine(Direction::kRecord);
  for (uint64_t size : {uint64_t{0}, kSmallRing / 2, kSmallRing + 1,
                        kSmallRing * 2, ~uint64_t{0}}) {
    engine->shared()->data_size = size;
    EXPECT_THAT(AttachRefusal().message(), HasSubstr("bytes of log, the file"));
  }
}

TEST_F(LogRingTest, FileShorterThanAHeaderIsRefused) {
  std::ofstream(path_) << "short";
  EXPECT_THAT(AttachRefusal().message(), HasSubstr("is not a log ring"));
}

TEST_F(LogRingTest, DoorbellThatIsAPlainFileIsRefused) {
  auto engine = Engine(Direction::kRecord);
  std::filesystem::remove(ToFtdPath(path_));
  std::ofstream(ToFtdPath(path_)) << "";
  EXPECT_THAT(AttachRefusal().message(), HasSubstr("is not a FIFO"));
}

// --- Record.

TEST_F(LogRingTest, ReadEntriesReturnsWhatWasCommitted) {
  auto engine = Engine(Direction::kRecord, 4000);
  auto ring = Attach();
  EXPECT_TRUE(Read(*ring, 4000).empty());
  ASSERT_TRUE(engine->CommitRandom(1, 10));
  ASSERT_TRUE(engine->CommitRandom(2, 0));
  Bytes expected = RandomEntry(1, 10);
  const Bytes second = RandomEntry(2, 0);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(Read(*ring, 4000), expected);
  EXPECT_EQ(Read(*ring, 4014), second);
}

TEST_F(LogRingTest, EntriesAreWholeAtEveryPlaceOfTheWrap) {
  // One byte of shift per round: header and payload get cut by the ring's
  // end at each of their bytes.
  for (LogPosition shift = 0; shift < 40; ++shift) {
    const LogPosition start = kSmallRing - shift;
    auto engine = Engine(Direction::kRecord, start);
    auto ring = Attach();
    ASSERT_TRUE(engine->CommitRandom(shift, 30));
    EXPECT_EQ(Read(*ring, start), RandomEntry(shift, 30)) << shift;
  }
}

TEST_F(LogRingTest, FullRingTakesNoMoreUntilAcknowledged) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  const size_t half = kSmallRing / 2 - kEntryHeaderBytes;
  ASSERT_TRUE(engine->CommitRandom(1, half));
  ASSERT_TRUE(engine->CommitRandom(2, half));
  EXPECT_FALSE(engine->CommitRandom(3, 0)) << "the ring is full to the byte";
  EXPECT_EQ(Read(*ring, 0).size(), kSmallRing);
  EXPECT_TRUE(ring->Acknowledge(kSmallRing / 2).ok());
  EXPECT_TRUE(engine->CommitRandom(3, half));
  EXPECT_EQ(Read(*ring, kSmallRing), RandomEntry(3, half));
}

TEST_F(LogRingTest, ReadEntriesStopsBeforeAnEntryThatDoesNotFit) {
  auto engine = Engine(Direction::kRecord, 0, 16u << 20);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 100));
  ASSERT_TRUE(engine->CommitRandom(2, kEntryPayloadBytesMax));
  EXPECT_EQ(Read(*ring, 0), RandomEntry(1, 100));
  EXPECT_EQ(Read(*ring, 104), RandomEntry(2, kEntryPayloadBytesMax));
}

TEST_F(LogRingTest, AcknowledgeOnlyGrows) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  ASSERT_TRUE(engine->CommitRandom(2, 6));
  EXPECT_TRUE(ring->Acknowledge(20).ok());
  EXPECT_TRUE(ring->Acknowledge(10).ok());
  EXPECT_EQ(ring->acknowledged(), 20u);
}

using LogRingDeathTest = LogRingTest;

// --- Replay.

TEST_F(LogRingTest, EngineReplaysWhatWasAppended) {
  auto engine = Engine(Direction::kReplay, 500);
  auto ring = Attach();
  EXPECT_FALSE(engine->Consume());
  ASSERT_TRUE(Append(*ring, 500, RandomEntry(1, 20)));
  EXPECT_EQ(engine->Consume(), PayloadForTest(1, 20));
  EXPECT_EQ(ring->consumed(), 524u);
}

TEST_F(LogRingTest, AppendedEntriesAreWholeAtEveryPlaceOfTheWrap) {
  for (LogPosition shift = 0; shift < 40; ++shift) {
    const LogPosition start = kSmallRing - shift;
    auto engine = Engine(Direction::kReplay, start);
    auto ring = Attach();
    ASSERT_TRUE(Append(*ring, start, RandomEntry(shift, 30)));
    EXPECT_EQ(engine->Consume(), PayloadForTest(shift, 30)) << shift;
  }
}

TEST_F(LogRingTest, AppendToAFullRingChangesNothing) {
  auto engine = Engine(Direction::kReplay);
  auto ring = Attach();
  const Bytes half = RandomEntry(1, kSmallRing / 2 - kEntryHeaderBytes);
  ASSERT_TRUE(Append(*ring, 0, half));
  ASSERT_TRUE(Append(*ring, half.size(), half));
  EXPECT_EQ(ring->free_bytes(), 0u);
  EXPECT_FALSE(Append(*ring, kSmallRing, RandomEntry(2, 0)));
  EXPECT_EQ(ring->committed(), kSmallRing);
  EXPECT_EQ(engine->Consume(), PayloadForTest(1, half.size() - 4));
  EXPECT_TRUE(Append(*ring, kSmallRing, half));
}

TEST_F(LogRingTest, PeerReleasedOnlyGrows) {
  auto engine = Engine(Direction::kReplay);
  auto ring = Attach();
  ring->SetPeerReleased(20);
  ring->SetPeerReleased(10);
  EXPECT_EQ(engine->shared()->peer_released, 20u);
}

TEST_F(LogRingDeathTest, AppendingGarbageStopsUs) {
  auto engine = Engine(Direction::kReplay);
  auto ring = Attach();
  Bytes torn = RandomEntry(1, 40);
  torn.pop_back();
  EXPECT_DEATH((void)ring->AppendEntries(0, torn), "cut short at position 0");
}

TEST_F(LogRingTest, BeatsAreCounted) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ring->Beat();
  ring->Beat();
  EXPECT_EQ(engine->shared()->owner_beat, 2u);
}

// --- Doorbells.

TEST_F(LogRingTest, BusyPairMakesNoSystemCall) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  EXPECT_TRUE(ring->Acknowledge(10).ok());
  EXPECT_FALSE(Readable(ring->doorbell_fd()));
}

TEST_F(LogRingTest, SleeperIsRungOnce) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ring->PrepareToSleep();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  ASSERT_TRUE(engine->CommitRandom(2, 6));
  EXPECT_TRUE(Readable(ring->doorbell_fd()));
  char bytes[8];
  EXPECT_EQ(read(ring->doorbell_fd(), bytes, sizeof bytes), 1);
  EXPECT_FALSE(Readable(ring->doorbell_fd()));
}

// The acknowledgement that follows it rings, and then finds it there; an
// output that an ended lease keeps back needs a bell of its own.
TEST_F(LogRingTest, LeaseIsWrittenAndRingsWhenAsked) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  EXPECT_EQ(ring->lease_until(), LogRing::kNoLease) << "the engine's own";
  bool woken = false;
  const auto look = [&] { return std::exchange(woken, true); };
  EXPECT_FALSE(engine->WaitUntil(
      [&] {
        ring->SetLease(12345);
        return false;
      },
      0));
  EXPECT_EQ(engine->shared()->lease_until, 12345u);
  EXPECT_TRUE(engine->WaitUntil(
      [&] {
        const bool again = look();
        ring->WakeEngine();
        return again;
      },
      1000));
}

// Nobody is woken for what nobody waits for.
TEST_F(LogRingTest, ReplayedOnlyGrowsAndRingsWhenItIsWanted) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  engine->shared()->replayed_wanted = 20;
  const auto moves_to = [&](LogPosition position) {
    return [&ring, position, first = true]() mutable {
      if (std::exchange(first, false)) {
        ring->SetReplayed(position);
        return false;
      }
      return true;
    };
  };
  int looks = 0;
  EXPECT_FALSE(engine->WaitUntil(
      [&] {
        if (++looks == 1) ring->SetReplayed(19);
        return false;
      },
      0));
  EXPECT_EQ(looks, 2) << "before and after the time is over";
  EXPECT_TRUE(engine->WaitUntil(moves_to(20), 1000));
  ring->SetReplayed(10);
  EXPECT_EQ(ring->replayed(), 20u);
}

TEST_F(LogRingTest, CancelledSleepIsNotRung) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ring->PrepareToSleep();
  ring->CancelSleep();
  ASSERT_TRUE(engine->CommitRandom(1, 6));
  EXPECT_FALSE(Readable(ring->doorbell_fd()));
}

// The engine looks at the position as soon as it is rung, and goes back to
// sleep if it finds nothing new: rung too early is a wake-up lost. A watcher
// in the engine's place sees the ring begin and looks at once.
template <typename Move>
void ExpectMovedBeforeRung(uint32_t& sleeping, const uint64_t& position,
                           Move move) {
  for (int round = 0; round < 50; ++round) {
    const uint64_t before = position;
    uint64_t seen = 0;
    std::atomic<bool> watching = false;
    __atomic_store_n(&sleeping, 1u, __ATOMIC_SEQ_CST);
    std::jthread watcher([&] {
      watching = true;
      while (__atomic_load_n(&sleeping, __ATOMIC_SEQ_CST) == 1) {
      }
      seen = __atomic_load_n(&position, __ATOMIC_SEQ_CST);
    });
    while (!watching) {
    }
    move();
    watcher.join();
    ASSERT_GT(seen, before) << "round " << round;
  }
}

TEST_F(LogRingTest, AppendedEntriesArePublishedBeforeTheEngineIsRung) {
  auto engine = Engine(Direction::kReplay);
  auto ring = Attach();
  ft_ring& shared = *engine->shared();
  ExpectMovedBeforeRung(shared.engine_sleeping, shared.committed, [&] {
    ASSERT_TRUE(Append(*ring, ring->committed(), RandomEntry(1, 8)));
  });
}

TEST_F(LogRingTest, AcknowledgementIsPublishedBeforeTheEngineIsRung) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(engine->CommitRandom(i, 8));
  const auto acknowledge = [&] {
    EXPECT_TRUE(ring->Acknowledge(ring->acknowledged() + 12).ok());
  };
  ft_ring& shared = *engine->shared();
  ExpectMovedBeforeRung(shared.engine_sleeping, shared.acknowledged,
                        acknowledge);
  ExpectMovedBeforeRung(shared.storage_sleeping, shared.acknowledged,
                        acknowledge);
}

// Only what may let a disk be changed wakes the thread that waits to do so.
TEST_F(LogRingTest, StorageIsRungForAcknowledgementsAndOnRequest) {
  auto engine = Engine(Direction::kRecord);
  auto ring = Attach();
  ASSERT_TRUE(engine->CommitRandom(1, 8));
  uint32_t& sleeping = engine->shared()->storage_sleeping;
  sleeping = 1;
  ring->SetReplayed(12);
  EXPECT_EQ(sleeping, 1u);
  EXPECT_TRUE(ring->Acknowledge(12).ok());
  EXPECT_EQ(sleeping, 0u);
  sleeping = 1;
  ring->WakeEngine();
  EXPECT_EQ(sleeping, 0u);
}

// ftd's side of a wait, by poll(2).
template <typename Ready>
bool WaitUntil(LogRing& ring, Ready ready) {
  for (;;) {
    ring.PrepareToSleep();
    if (ready()) break;
    pollfd waited{.fd = ring.doorbell_fd(), .events = POLLIN, .revents = 0};
    if (poll(&waited, 1, 5000) != 1) return false;
    char bytes[64];
    if (read(ring.doorbell_fd(), bytes, sizeof bytes) < 1) return false;
  }
  ring.CancelSleep();
  return true;
}

// The engine records as fast as a small ring lets it, ftd reads and
// acknowledges; each sleeps whenever it is ahead. A single lost wake-up
// leaves one of them asleep until the poll gives up.
TEST_F(LogRingTest, DoorbellsLoseNoWakeUpWhileRecording) {
  constexpr int kEntries = 30'000;
  auto engine = Engine(Direction::kRecord, kSmallRing - 13);
  auto ring = Attach();
  std::atomic<bool> engine_stuck = false;
  std::jthread recording([&] {
    for (int i = 0; i < kEntries && !engine_stuck; ++i) {
      const size_t bytes = i * 7 % 3000;
      engine_stuck = !engine->WaitUntil(
          [&] { return engine->CommitRandom(i, bytes); }, 5000);
    }
  });
  LogPosition next = kSmallRing - 13;  // the engine is already committing
  int entries = 0;
  while (entries < kEntries) {
    ASSERT_TRUE(WaitUntil(*ring, [&] { return ring->committed() > next; }))
        << "entry " << entries;
    const Bytes bytes = Read(*ring, next);
    EntryWalker walker(bytes, next);
    while (auto entry = walker.Next()) {
      const Bytes payload(entry->payload.begin(), entry->payload.end());
      ASSERT_EQ(payload, PayloadForTest(entries, entries * 7 % 3000));
      ++entries;
    }
    next += bytes.size();
    EXPECT_TRUE(ring->Acknowledge(next).ok());
  }
  EXPECT_FALSE(engine_stuck);
}

TEST_F(LogRingTest, DoorbellsLoseNoWakeUpWhileReplaying) {
  constexpr int kEntries = 30'000;
  auto engine = Engine(Direction::kReplay, kSmallRing - 13);
  auto ring = Attach();
  std::atomic<int> replayed = 0;
  std::jthread replaying([&] {
    while (replayed < kEntries) {
      std::optional<Bytes> payload;
      const bool woken = engine->WaitUntil(
          [&] {
            payload = engine->Consume();
            return payload.has_value();
          },
          5000);
      if (!woken || *payload != PayloadForTest(replayed, replayed % 900)) {
        return;
      }
      ++replayed;
    }
  });
  LogPosition next = ring->committed();
  for (int i = 0; i < kEntries; ++i) {
    const Bytes entry = RandomEntry(i, i % 900);
    ASSERT_TRUE(WaitUntil(*ring, [&] { return Append(*ring, next, entry); }))
        << "entry " << i;
    next += entry.size();
  }
  ASSERT_TRUE(WaitUntil(*ring, [&] { return ring->consumed() == next; }));
  replaying.join();
  EXPECT_EQ(replayed, kEntries);
}

}  // namespace
}  // namespace ft::logchannel
