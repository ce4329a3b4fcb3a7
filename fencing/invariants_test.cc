// SPDX-License-Identifier: GPL-2.0-or-later
//
// Each invariant kept and broken.
#include "fencing/invariants.h"

#include <gtest/gtest.h>

namespace ft::fencing {
namespace {

constexpr int kA = 0, kB = 1;

class InvariantsTest : public testing::Test {
 protected:
  // hostA runs in epoch 1, hostB backs it up and has the log through 100.
  void SetUp() override {
    watch_.OnLive(kA, 1);
    watch_.OnEntitled(kB, 1);
    watch_.OnAcknowledged(kB, 1, 100);
  }
  void ExpectKept() {
    EXPECT_FALSE(watch_.violation()) << watch_.violation()->what;
  }
  void ExpectBroken(Invariant invariant) {
    ASSERT_TRUE(watch_.violation());
    EXPECT_EQ(watch_.violation()->invariant, invariant)
        << watch_.violation()->what;
  }
  Invariants watch_;
};

TEST_F(InvariantsTest, AFailoverKeepsThemAll) {
  watch_.OnOutput(kA, 1, 90, true);
  watch_.OnAnswer(kA, {.place = 0, .content = 5});
  watch_.OnContended(kB, 1);
  watch_.OnConsumedAll(kB, 1, 100);
  watch_.OnLive(kB, 2);
  watch_.OnHistory(kB, {5, 6});
  watch_.OnOutput(kB, 2, 110, false);
  watch_.OnDiskWrite(kB, 2);
  ExpectKept();
}

TEST_F(InvariantsTest, I1_TwoLiveInOneEpoch) {
  watch_.OnLive(kA, 2);
  watch_.OnLive(kB, 2);
  ExpectBroken(Invariant::kI1);
}

TEST_F(InvariantsTest, I1_StaleOutputOfAPausedPrimary) {
  watch_.OnLive(kB, 2);
  watch_.OnOutput(kA, 1, 90, true);
  ExpectBroken(Invariant::kI1);
}

TEST_F(InvariantsTest, I2_OutputNobodyAcknowledged) {
  watch_.OnOutput(kA, 1, 101, true);
  ExpectBroken(Invariant::kI2);
}

TEST_F(InvariantsTest, I2_UnheldWhileABackupIsEntitled) {
  watch_.OnOutput(kA, 1, 90, false);
  ExpectBroken(Invariant::kI2);
}

TEST_F(InvariantsTest, I2_UnheldAfterTheBackupRenounced) {
  watch_.OnRenounced(kB, 1);
  watch_.OnOutput(kA, 1, 200, false);
  ExpectKept();
}

TEST_F(InvariantsTest, I2_UnheldWithoutTheEpoch) {
  watch_.OnOutput(kA, 2, 90, false);
  ExpectBroken(Invariant::kI2);
}

TEST_F(InvariantsTest, I3_ReplayedMoreThanReceived) {
  watch_.OnPositions(1,
                     {.committed = 9, .sent = 9, .received = 5, .replayed = 6});
  ExpectBroken(Invariant::kI3);
}

TEST_F(InvariantsTest, I4_PositionsGoBack) {
  watch_.OnPositions(1, {.committed = 9, .sent = 9, .received = 5});
  watch_.OnPositions(1, {.committed = 9, .sent = 8, .received = 5});
  ExpectBroken(Invariant::kI4);
}

TEST_F(InvariantsTest, I4_AcknowledgementGoesBack) {
  watch_.OnAcknowledged(kB, 1, 99);
  ExpectBroken(Invariant::kI4);
}

TEST_F(InvariantsTest, I4_EpochGoesBack) {
  watch_.OnLive(kA, 3);
  watch_.OnLive(kA, 2);
  ExpectBroken(Invariant::kI4);
}

TEST_F(InvariantsTest, I5_LiveBeforeAllIsConsumed) {
  watch_.OnConsumedAll(kB, 1, 99);
  ExpectBroken(Invariant::kI5);
}

TEST_F(InvariantsTest, I6_AcknowledgesAfterContending) {
  watch_.OnContended(kB, 1);
  watch_.OnAcknowledged(kB, 1, 100);  // the same again
  ExpectKept();
  watch_.OnAcknowledged(kB, 1, 101);
  ExpectBroken(Invariant::kI6);
}

TEST_F(InvariantsTest, I7_FencedHostWrites) {
  watch_.OnLive(kB, 2);
  watch_.OnDiskWrite(kA, 1);
  ExpectBroken(Invariant::kI7);
}

TEST_F(InvariantsTest, I8_AnsweredWriteIsLost) {
  watch_.OnAnswer(kA, {.place = 1, .content = 5});
  watch_.OnHistory(kB, {4});
  ExpectBroken(Invariant::kI8);
}

TEST_F(InvariantsTest, I8_TwoHistoriesAreShown) {
  watch_.OnAnswer(kA, {.place = 1, .content = 5});
  watch_.OnAnswer(kB, {.place = 1, .content = 6});
  ExpectBroken(Invariant::kI8);
}

}  // namespace
}  // namespace ft::fencing
