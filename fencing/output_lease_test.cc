// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/output_lease.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStart{1h};

TEST(OutputLease, NothingLeavesBeforeTheFirstAcknowledgement) {
  OutputLease lease;
  EXPECT_FALSE(lease.MayRelease(kStart));
  lease.OnSent(100, kStart);
  EXPECT_FALSE(lease.MayRelease(kStart));
  lease.OnAcknowledged(100);
  EXPECT_TRUE(lease.MayRelease(kStart + 1ms));
}

TEST(OutputLease, EndsALeaseAfterWhatIsAcknowledgedWasSent) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnAcknowledged(100);
  EXPECT_TRUE(lease.MayRelease(kStart + kOutputLease - 1ns));
  EXPECT_FALSE(lease.MayRelease(kStart + kOutputLease));
}

// ftd stood still for a second, the acknowledgement lay in its socket.
TEST(OutputLease, AcknowledgementThatWaitedIsWorthNothing) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnAcknowledged(100);  // read at kStart + 1 s
  EXPECT_FALSE(lease.MayRelease(kStart + 1s));
}

TEST(OutputLease, CumulativeAcknowledgementCountsItsNewestFrame) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnSent(200, kStart + 50ms);
  lease.OnSent(300, kStart + 90ms);
  lease.OnAcknowledged(250);
  EXPECT_EQ(lease.until(), kStart + 50ms + kOutputLease);
}

TEST(OutputLease, RepeatedAcknowledgementGrantsNothing) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnAcknowledged(100);
  lease.OnAcknowledged(100);
  EXPECT_EQ(lease.until(), kStart + kOutputLease);
}

// A log channel that needs a second for each frame; beats are quick.
TEST(OutputLease, EchoedBeatsKeepItUp) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnBeatSent(7, kStart + 950ms);
  lease.OnBeatEchoed(7);
  lease.OnAcknowledged(100);
  EXPECT_TRUE(lease.MayRelease(kStart + 1s));
}

TEST(OutputLease, FullQueueErrsOnTheSafeSide) {
  OutputLease lease;
  for (uint64_t i = 1; i <= 2 * OutputLease::kPendingMax; ++i) {
    lease.OnSent(i, kStart + i * 1ms);
  }
  lease.OnAcknowledged(2 * OutputLease::kPendingMax);
  EXPECT_EQ(lease.until(),
            kStart + OutputLease::kPendingMax * 1ms + kOutputLease);
}

TEST(OutputLease, RevokedUntilItIsRestored) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.OnSent(200, kStart + 1ms);
  lease.OnAcknowledged(100);
  lease.Revoke();
  EXPECT_FALSE(lease.MayRelease(kStart + 2ms));
  lease.OnAcknowledged(200);
  EXPECT_FALSE(lease.MayRelease(kStart + 3ms));
  // The backup goes on echoing until it has read the Handover.
  lease.OnBeatSent(7, kStart + 4ms);
  lease.OnBeatEchoed(7);
  EXPECT_FALSE(lease.MayRelease(kStart + 5ms));
  lease.OnSent(300, kStart + 5ms);
  lease.Restore(kStart + 6ms);
  lease.OnAcknowledged(300);
  EXPECT_FALSE(lease.MayRelease(kStart + 7ms)) << "sent while revoked";
  lease.OnSent(400, kStart + 7ms);
  lease.OnAcknowledged(400);
  EXPECT_EQ(lease.until(), kStart + 7ms + kOutputLease);
}

TEST(OutputLease, RestoringWhatWasNotRevokedChangesNothing) {
  OutputLease lease;
  lease.OnSent(100, kStart);
  lease.Restore(kStart + 1ms);
  lease.OnAcknowledged(100);
  EXPECT_EQ(lease.until(), kStart + kOutputLease);
}

// Another protection's, or an earlier ftd's: sequence numbers start from the
// clock, so an old echo is lower than all that wait for one.
TEST(OutputLease, OldEchoGrantsNothing) {
  OutputLease lease;
  lease.OnBeatSent(5000, kStart);
  lease.OnBeatEchoed(4999);
  lease.OnBeatEchoed(0);
  EXPECT_FALSE(lease.MayRelease(kStart));
}

TEST(LeaseGrant, BackupThatGrantedNothingNeedNotWait) {
  EXPECT_LT(LeaseGrant().may_go_live_at(), kStart);
}

// Whatever the clocks: the primary's lease is over when the backup's wait
// is. Sent at 0, taken at once, rates 1000 ppm apart.
TEST(LeaseGrant, OutlastsTheLeaseOfAClockThatRunsSlow) {
  OutputLease lease;
  LeaseGrant grant;
  lease.OnSent(100, kStart);
  grant.Grant(kStart);
  lease.OnAcknowledged(100);
  const std::chrono::nanoseconds waited = grant.may_go_live_at() - kStart;
  const std::chrono::nanoseconds on_the_slow_clock = waited * 999 / 1000;
  EXPECT_FALSE(lease.MayRelease(kStart + on_the_slow_clock));
  EXPECT_LT(waited, 150ms) << "the bar for a killed primary";
}

TEST(LeaseGrant, OnlyAPrimaryThatCanReleaseNothingNeedsNoWait) {
  EXPECT_FALSE(LeaseWaitIsNeeded(Suspicion::kPeerVmGone));
  EXPECT_FALSE(LeaseWaitIsNeeded(Suspicion::kHandover));
  EXPECT_TRUE(LeaseWaitIsNeeded(Suspicion::kConnectionReset));
  EXPECT_TRUE(LeaseWaitIsNeeded(Suspicion::kSilence));
}

}  // namespace
}  // namespace ft::fencing
