// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/ring_doorbell.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <thread>

#include "logchannel/engine_ring_for_test.h"
#include "logchannel/net_test.h"

namespace ft::logchannel {
namespace {

class RingDoorbellTest : public NetTest {
 protected:
  RingDoorbellTest() {
    const std::string path = directory_.ring_path("vm1");
    engine_ = EngineRingForTest::Create({.path = path, .data_size = 8192});
    auto ring = LogRing::Attach(path);
    EXPECT_TRUE(ring.ok()) << ring.status().message();
    ring_ = std::move(*ring);
    doorbell_ = std::make_unique<RingDoorbell>(io_, *ring_);
  }

  // Waits for committed() to reach `position`; notes how it ended.
  Task WaitForCommitted(LogPosition position) {
    ended_with_ = co_await doorbell_->WaitUntil(
        [this, position] { return ring_->committed() >= position; });
  }

  const RingDirectoryForTest directory_;
  std::unique_ptr<EngineRingForTest> engine_;
  std::unique_ptr<LogRing> ring_;
  std::unique_ptr<RingDoorbell> doorbell_;
  std::optional<bool> ended_with_;
};

TEST_F(RingDoorbellTest, WhatHoldsAlreadyIsNotWaitedFor) {
  Run(WaitForCommitted(0));
  EXPECT_EQ(ended_with_, true);
  EXPECT_EQ(engine_->shared()->ftd_sleeping, 0u);
}

TEST_F(RingDoorbellTest, EngineWakesTheWaiter) {
  Spawn(WaitForCommitted(20));
  boost::asio::post(io_, [&] { EXPECT_TRUE(engine_->CommitRandom(1, 6)); });
  boost::asio::post(io_, [&] { EXPECT_TRUE(engine_->CommitRandom(2, 6)); });
  Run();
  EXPECT_EQ(ended_with_, true);
}

// The engine commits after the first look and before it is told that ftd
// sleeps: it does not ring, so ftd has to look again.
TEST_F(RingDoorbellTest, CommitJustBeforeFallingAsleepIsSeen) {
  int looks = 0;
  const auto look = [&] {
    const bool ready = ring_->committed() > 0;
    if (looks++ == 0) (void)engine_->CommitRandom(1, 6);
    return ready;
  };
  Run([](RingDoorbell* doorbell, std::function<bool()> look) -> Task {
    EXPECT_TRUE(co_await doorbell->WaitUntil(look));
  }(doorbell_.get(), look));
  EXPECT_EQ(looks, 2);
}

TEST_F(RingDoorbellTest, StaleByteIsDrainedNotSpunOn) {
  // A ring that was rung for an ftd that died.
  ring_->PrepareToSleep();
  ASSERT_TRUE(engine_->CommitRandom(1, 6));
  int looks = 0;
  Spawn([](RingDoorbell* doorbell, int& looks) -> Task {
    EXPECT_FALSE(co_await doorbell->WaitUntil([&] {
      ++looks;
      return false;
    }));
  }(doorbell_.get(), looks));
  io_.run_for(std::chrono::milliseconds(50));
  EXPECT_LE(looks, 4);
  doorbell_->Cancel();
  Run();
}

TEST_F(RingDoorbellTest, WakeLooksAgain) {
  bool ready = false;
  Spawn([](RingDoorbell* doorbell, bool& ready) -> Task {
    EXPECT_TRUE(co_await doorbell->WaitUntil([&] { return ready; }));
  }(doorbell_.get(), ready));
  boost::asio::post(io_, [&] { doorbell_->Wake(); });
  boost::asio::post(io_, [&] {
    ready = true;
    doorbell_->Wake();
  });
  Run();
}

TEST_F(RingDoorbellTest, CancelEndsTheWaitAndEveryLaterOne) {
  Spawn(WaitForCommitted(1));
  boost::asio::post(io_, [&] { doorbell_->Cancel(); });
  Run();
  EXPECT_EQ(ended_with_, false);
  Run(WaitForCommitted(0));
  EXPECT_EQ(ended_with_, false);
}

TEST_F(RingDoorbellTest, RingMayGoAfterTheDoorbellDuringAWait) {
  Spawn(WaitForCommitted(1));
  boost::asio::post(io_, [&] {
    doorbell_.reset();
    ring_.reset();
  });
  Run();
  EXPECT_EQ(ended_with_, false);
}

// An engine on its own thread, a small ring, a consumer on the io_context:
// each often waits for the other. A lost wake-up shows as a timeout.
TEST_F(RingDoorbellTest, NoWakeUpIsLostUnderLoad) {
  constexpr int kEntries = 20'000;
  std::atomic<bool> engine_stuck = false;
  std::jthread recording([&] {
    for (int i = 0; i < kEntries && !engine_stuck; ++i) {
      engine_stuck = !engine_->WaitUntil(
          [&] { return engine_->CommitRandom(i, i % 500); }, 5000);
    }
  });
  Run([](LogRing* ring, RingDoorbell* doorbell) -> Task {
    std::vector<std::byte> room(kEntryBytesMax);
    LogPosition next = 0;
    for (int entries = 0; entries < kEntries;) {
      co_await doorbell->WaitUntil([&] { return ring->committed() > next; });
      const auto read = ring->ReadEntries(next, room);
      EXPECT_TRUE(read.ok()) << read.status().message();
      const size_t bytes = read.ok() ? *read : 0;
      if (bytes == 0) co_return;
      const std::span<const std::byte> whole(room);
      EntryWalker walker(whole.first(bytes), next);
      while (walker.Next()) ++entries;
      next += bytes;
      EXPECT_TRUE(ring->Acknowledge(next).ok());
    }
  }(ring_.get(), doorbell_.get()));
  EXPECT_FALSE(engine_stuck);
}

}  // namespace
}  // namespace ft::logchannel
