// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/engine_watchdog.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;

constexpr auto kBeat = 50ms;

// A watchdog, its clock, and the ring's position as it sees it.
class EngineWatchdogTest : public testing::Test {
 protected:
  // Beats for `time` while the engine moves `per_beat` at each.
  void BeatFor(std::chrono::milliseconds time, uint64_t per_beat = 0) {
    for (const Instant end = now_ + time; now_ < end;) {
      now_ += kBeat;
      watchdog_.Look(now_, mark_ += per_beat);
    }
  }
  // We do not run at all for `time`, then look once.
  void Stall(std::chrono::milliseconds time) {
    watchdog_.Look(now_ += time, mark_);
  }

  Instant now_{1h};
  uint64_t mark_ = 0;
  EngineWatchdog watchdog_{{}, now_};
};

TEST_F(EngineWatchdogTest, BusyEngineIsNeverAskedNorAccused) {
  for (int second = 0; second < 60; ++second) {
    BeatFor(1s, 1);
    EXPECT_FALSE(watchdog_.wants_answer());
  }
}

TEST_F(EngineWatchdogTest, StoppedEngineIsAskedAndThenGivenUp) {
  BeatFor(450ms);
  EXPECT_FALSE(watchdog_.wants_answer());
  BeatFor(50ms);
  EXPECT_TRUE(watchdog_.wants_answer());
  BeatFor(1450ms);
  EXPECT_FALSE(watchdog_.silent()) << "1950 ms";
  BeatFor(50ms);
  EXPECT_TRUE(watchdog_.silent()) << "2000 ms";
}

// Its guest sleeps: nothing moves, but it answers whenever it is asked.
TEST_F(EngineWatchdogTest, IdleGuestIsNotAccused) {
  for (int i = 0; i < 100; ++i) {
    BeatFor(500ms);
    ASSERT_TRUE(watchdog_.wants_answer());
    ASSERT_FALSE(watchdog_.silent());
    watchdog_.OnAnswer(now_ += 30ms);
    ASSERT_FALSE(watchdog_.wants_answer());
  }
}

// Its main loop is busy for longer than it may be, but the guest runs.
TEST_F(EngineWatchdogTest, MovingWithoutAnsweringIsLife) {
  for (int i = 0; i < 10; ++i) {
    BeatFor(1900ms);
    BeatFor(50ms, 1);
  }
  EXPECT_FALSE(watchdog_.wants_answer());
}

TEST_F(EngineWatchdogTest, ShortStopsDoNotAddUp) {
  for (int i = 0; i < 100; ++i) {
    BeatFor(1500ms);
    EXPECT_FALSE(watchdog_.silent());
    BeatFor(50ms, 1);
  }
}

// It came back before anybody acted: the accusation falls.
TEST_F(EngineWatchdogTest, LateSignEndsTheSilence) {
  BeatFor(3s);
  EXPECT_TRUE(watchdog_.silent());
  BeatFor(50ms, 1);
  EXPECT_FALSE(watchdog_.silent());
}

TEST_F(EngineWatchdogTest, OurOwnPauseIsNotTheEngines) {
  BeatFor(1s);
  Stall(1h);
  EXPECT_FALSE(watchdog_.silent()) << "we stood still, or our host did";
  EXPECT_EQ(watchdog_.silence(), 1100ms);
}

TEST_F(EngineWatchdogTest, StarvedFtdGivesUpInTheEnd) {
  int looks = 0;
  while (!watchdog_.silent()) {
    Stall(400ms);
    ++looks;
  }
  EXPECT_EQ(looks, 20) << "each gap counts as 100 ms";
}

// A position goes wherever a damaged ring says: that is no silence.
TEST_F(EngineWatchdogTest, AnyChangeIsASign) {
  mark_ = 1000;
  BeatFor(1900ms);
  --mark_;
  BeatFor(50ms);
  EXPECT_EQ(watchdog_.silence(), 0ns);
}

TEST_F(EngineWatchdogTest, TimeGoingBackIsOurOwnMistake) {
  EXPECT_DEATH(watchdog_.Look(now_ - 1ns, 0), "time went back");
}

}  // namespace
}  // namespace ft::fencing
