// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/failure_detector.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kEpoch = 7;

// A detector and its clock. Ticks come at next_deadline(), as an agent's do.
class FailureDetectorTest : public testing::Test {
 protected:
  // Lets `time` pass in silence; the last verdict.
  std::optional<Suspicion> Silence(std::chrono::nanoseconds time) {
    const Instant end = now_ + time;
    while (detector_.next_deadline() < end) {
      now_ = detector_.next_deadline();
      detector_.Tick(now_);
    }
    return TickAt(end);
  }
  // Lets `time` pass without running at all, then ticks once.
  std::optional<Suspicion> Stall(std::chrono::nanoseconds time) {
    return TickAt(now_ + time);
  }
  std::optional<Suspicion> TickAt(Instant now) {
    now_ = now;
    return detector_.Tick(now);
  }

  Instant now_{1h};
  FailureDetector detector_{FailureDetectorOptions::Backup(), kEpoch, now_};
};

TEST_F(FailureDetectorTest, Silence_SuspectsAtTheTimeoutNotBefore) {
  EXPECT_EQ(Silence(499ms), std::nullopt);
  EXPECT_EQ(Silence(1ms), Suspicion::kSilence);
}

TEST_F(FailureDetectorTest, Silence_OfOneChannelIsNotSilence) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Silence(400ms), std::nullopt);
    i % 2 ? detector_.OnLogTraffic(now_) : detector_.OnHeartbeat(now_, kEpoch);
  }
  EXPECT_EQ(detector_.silence(), 0ns);
}

TEST_F(FailureDetectorTest, Silence_ClearsWhenThePeerIsHeardAgain) {
  EXPECT_EQ(Silence(2s), Suspicion::kSilence);
  detector_.OnHeartbeat(now_, kEpoch);
  EXPECT_EQ(TickAt(now_), std::nullopt);
}

TEST_F(FailureDetectorTest, Silence_WhileWeDidNotRunIsNotThePeers) {
  EXPECT_EQ(Silence(50ms), std::nullopt);
  EXPECT_EQ(Stall(10s), std::nullopt) << "paused for 10 s";
  detector_.OnHeartbeat(now_, kEpoch);  // it was in the socket all the time
  EXPECT_EQ(TickAt(now_), std::nullopt);
}

TEST_F(FailureDetectorTest, Silence_StarvedDetectorSuspectsInTheEnd) {
  int ticks = 1;
  while (!Stall(300ms)) ++ticks;
  EXPECT_EQ(ticks, 5) << "each gap counts as 100 ms";
}

TEST_F(FailureDetectorTest, ConnectionReset_SuspectsAtOnceAndLasts) {
  detector_.OnConnectionReset(now_);
  EXPECT_EQ(TickAt(now_), Suspicion::kConnectionReset);
  detector_.OnHeartbeat(now_, kEpoch);
  EXPECT_EQ(TickAt(now_), Suspicion::kConnectionReset);
}

TEST_F(FailureDetectorTest, PeerVmGone_SuspectsAtOnceAndStaysTheReason) {
  detector_.OnPeerVmGone(now_);
  EXPECT_EQ(TickAt(now_), Suspicion::kPeerVmGone);
  detector_.OnConnectionReset(now_);
  EXPECT_EQ(Silence(1s), Suspicion::kPeerVmGone);
}

TEST_F(FailureDetectorTest, Heartbeat_OfLowerEpochIsNotHeard) {
  for (int i = 0; i < 10; ++i) {
    Silence(50ms);
    detector_.OnHeartbeat(now_, kEpoch - 1);
  }
  EXPECT_EQ(TickAt(now_), Suspicion::kSilence);
}

TEST_F(FailureDetectorTest, Silence_WhileStartingIsBorneForLonger) {
  auto options = FailureDetectorOptions::Backup();
  options.silence_at_first = kSilenceWhileStarting;
  FailureDetector detector(options, kEpoch, now_);
  Instant at = now_;
  const auto silent_for = [&](std::chrono::milliseconds span) {
    std::optional<Suspicion> verdict;
    for (auto end = at + span; at < end; at += options.interval) {
      verdict = detector.Tick(at);
    }
    return verdict;
  };
  EXPECT_EQ(silent_for(kSilenceWhileStarting - options.interval), std::nullopt);
  detector.Engage();
  EXPECT_EQ(silent_for(options.silence - options.interval), std::nullopt);
  EXPECT_EQ(silent_for(4 * options.interval), Suspicion::kSilence);
}

TEST_F(FailureDetectorTest, Heartbeat_OfHigherEpochMeansThePeerMovedOn) {
  detector_.OnHeartbeat(now_, kEpoch + 1);
  EXPECT_EQ(TickAt(now_), Suspicion::kPeerMovedOn);
}

TEST_F(FailureDetectorTest, Deadline_IsNeverAnIntervalAwayNorPastTheTimeout) {
  EXPECT_EQ(detector_.next_deadline(), now_ + 50ms);
  Silence(480ms);
  EXPECT_EQ(detector_.next_deadline(), now_ + 20ms);
  Silence(10s);
  EXPECT_EQ(detector_.next_deadline(), now_ + 50ms);
}

TEST_F(FailureDetectorTest, Time_GoingBackIsOurOwnMistake) {
  EXPECT_DEATH(detector_.Tick(now_ - 1ns), "time went back");
}

// When a detector whose last heartbeat came at `heard` suspects.
Instant SuspectsAt(const FailureDetectorOptions& options, Instant heard) {
  FailureDetector detector(options, kEpoch, heard);
  Instant now = heard;
  while (!detector.Tick(now)) now = detector.next_deadline();
  return now;
}

// Cut at T=0 with both sides alive: whatever the phases of the two beats,
// the primary has 50 ms to win the test-and-set.
TEST(FailureDetectorBias, PrimarySuspectsAtLeastOneIntervalBeforeTheBackup) {
  const Instant cut{1h};
  for (auto a = 0ms; a <= 50ms; a += 1ms) {
    for (auto b = 0ms; b <= 50ms; b += 1ms) {
      const auto primary =
          SuspectsAt(FailureDetectorOptions::Primary(), cut - a);
      const auto backup = SuspectsAt(FailureDetectorOptions::Backup(), cut - b);
      ASSERT_GE(backup - primary, 50ms) << a.count() << " " << b.count();
      ASSERT_LE(backup - cut, 500ms);
    }
  }
}

}  // namespace
}  // namespace ft::fencing
