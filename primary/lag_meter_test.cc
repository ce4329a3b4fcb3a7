// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/lag_meter.h"

#include <gtest/gtest.h>

namespace ft::primary {
namespace {

using namespace std::chrono_literals;

const LagMeter::Time kStart = LagMeter::Time{} + 1000s;

TEST(LagMeter, MeasuresFromSentToReplayed) {
  LagMeter meter;
  meter.OnSent(100, 100, kStart);
  meter.OnSent(200, 100, kStart + 4ms);
  meter.OnReplayed(100, kStart + 10ms);
  EXPECT_DOUBLE_EQ(meter.percentile_ms(50), 10);
  meter.OnReplayed(200, kStart + 24ms);
  EXPECT_DOUBLE_EQ(meter.percentile_ms(50), 10);
  EXPECT_DOUBLE_EQ(meter.percentile_ms(99), 20);
}

TEST(LagMeter, BackupThatStandsStillShowsAGrowingLag) {
  LagMeter meter;
  EXPECT_EQ(meter.current_ms(kStart), 0);
  meter.OnSent(100, 100, kStart);
  EXPECT_DOUBLE_EQ(meter.current_ms(kStart + 700ms), 700);
  meter.OnReplayed(99, kStart + 800ms);
  EXPECT_DOUBLE_EQ(meter.current_ms(kStart + 900ms), 900);
  meter.OnReplayed(100, kStart + 900ms);
  EXPECT_EQ(meter.current_ms(kStart + 950ms), 0);
}

TEST(LagMeter, RateCoversTheLastSeconds) {
  LagMeter meter;
  for (int i = 0; i < 30; ++i) {
    meter.OnSent(i, 12500, kStart + i * 100ms);  // 1 Mbit/s
  }
  EXPECT_NEAR(meter.mbit_per_s(kStart + 3s), 1.0, 0.1);
  EXPECT_EQ(meter.log_bytes(), 375000u);
  EXPECT_EQ(meter.mbit_per_s(kStart + 60s), 0) << "nothing lately";
}

TEST(LagMeter, WireHasARateOfItsOwn) {
  LagMeter meter;
  for (int i = 0; i < 30; ++i) {
    meter.OnSent(i, 12500, kStart + i * 100ms);
    meter.OnWire(1250, kStart + i * 100ms);  // 0.1 Mbit/s
  }
  EXPECT_NEAR(meter.mbit_per_s(kStart + 3s), 1.0, 0.1);
  EXPECT_NEAR(meter.wire_mbit_per_s(kStart + 3s), 0.1, 0.01);
  EXPECT_EQ(meter.wire_bytes(), 37500u);
}

TEST(LagMeter, QueueIsBounded) {
  LagMeter meter;
  for (size_t i = 1; i <= 2 * LagMeter::kPendingMax; ++i) {
    meter.OnSent(i, 1, kStart);
  }
  meter.OnReplayed(2 * LagMeter::kPendingMax, kStart + 5ms);
  EXPECT_DOUBLE_EQ(meter.percentile_ms(99), 5);
  EXPECT_EQ(meter.current_ms(kStart + 9ms), 0);
}

}  // namespace
}  // namespace ft::primary
