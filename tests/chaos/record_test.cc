// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/record.h"

#include <gtest/gtest.h>

#include <fstream>

namespace ft::chaos {
namespace {

using std::chrono::milliseconds;

Trial Single(FaultKind kind, int lasts_ms = 2000) {
  return {.number = 1,
          .faults = {{.kind = kind, .lasts = milliseconds(lasts_ms)}}};
}

void Add(Record& record, const Trial& trial, Judgement judgement,
         double blackout_ms) {
  Append(record, trial, {.judgement = judgement},
         {.connections = 3,
          .survived = judgement == Judgement::kKept ? 3 : 0,
          .blackout_ms = blackout_ms + 1,
          .probe_blackout_ms = blackout_ms});
}

Record SomeRecord() {
  Record record = {.seed = 5,
                   .engine = "7.2+ft",
                   .runs = 3,
                   .kinds = {FaultKind::kHostKilled, FaultKind::kHostCut}};
  Add(record, Single(FaultKind::kHostKilled), Judgement::kKept, 120);
  Add(record, Single(FaultKind::kHostCut), Judgement::kKept, 700);
  Add(record, Single(FaultKind::kHostCut), Judgement::kLost, 9000);
  return record;
}

boost::json::value RowOf(const Record& record, int target) {
  const boost::json::object object = ToJson(record);
  for (const auto& row : object.at("rows").as_array()) {
    if (row.at("target") == target) return row;
  }
  return nullptr;
}

TEST(Record, SurvivesItsFile) {
  const std::string path = ::testing::TempDir() + "/chaos-record.json";
  ASSERT_TRUE(Write(SomeRecord(), path).ok());
  const auto read = Read(path);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->seed, 5u);
  EXPECT_EQ(read->done(), 3);
  EXPECT_EQ(read->count(Judgement::kKept), 2);
  EXPECT_EQ(read->count(Judgement::kLost), 1);
  EXPECT_EQ(read->kinds, SomeRecord().kinds);
  EXPECT_EQ(ToJson(*read), ToJson(SomeRecord()));
  std::remove(path.c_str());
}

// The probe's figure, and only of runs that kept their promises.
TEST(Record, CountsBlackoutsByFault) {
  Record record = SomeRecord();
  for (int i = 1; i <= 100; ++i) {
    Add(record, Single(FaultKind::kLogCut), Judgement::kKept, i);
  }
  const auto blackouts = BlackoutsOf(record);
  ASSERT_EQ(blackouts.size(), 3u);
  EXPECT_EQ(blackouts[0].label, "host-cut primary");
  EXPECT_EQ(blackouts[0].runs, 1);
  EXPECT_EQ(blackouts[0].max_ms, 700);
  EXPECT_EQ(blackouts[2].label, "log-cut primary");
  EXPECT_EQ(blackouts[2].p50_ms, 50);
  EXPECT_EQ(blackouts[2].p99_ms, 99);
  EXPECT_EQ(blackouts[2].max_ms, 100);
  EXPECT_NE(Table(blackouts).find("| log-cut primary | 100 | 50 | 99 | 100 |"),
            std::string::npos);
}

TEST(Record, BarsOfTheBlackout) {
  Record record = SomeRecord();
  EXPECT_TRUE(RowOf(record, 11).at("met").as_bool());
  EXPECT_TRUE(RowOf(record, 12).at("met").as_bool());
  Add(record, Single(FaultKind::kHostKilled), Judgement::kKept, 501);
  EXPECT_FALSE(RowOf(record, 11).at("met").as_bool());
  // Too short to be sure of a failover.
  Add(record, Single(FaultKind::kHostCut, 600), Judgement::kKept, 1001);
  EXPECT_TRUE(RowOf(record, 12).at("met").as_bool());
  Add(record, Single(FaultKind::kHostCut, 3000), Judgement::kKept, 1001);
  EXPECT_FALSE(RowOf(record, 12).at("met").as_bool());
}

// A thousand faults, and one broken promise is one too many.
TEST(Record, TargetIsMetByAThousandWithoutABrokenOne) {
  Record record = {.seed = 1};
  for (int i = 0; i < 999; ++i) {
    Add(record, Single(FaultKind::kLogCut), Judgement::kKept, 1);
  }
  EXPECT_FALSE(RowOf(record, 22).at("met").as_bool());
  Add(record, Single(FaultKind::kLogCut), Judgement::kKept, 1);
  EXPECT_TRUE(RowOf(record, 22).at("met").as_bool());
  EXPECT_TRUE(RowOf(record, 13).at("met").as_bool());
  Add(record, Single(FaultKind::kLogCut), Judgement::kBroken, 1);
  EXPECT_FALSE(RowOf(record, 22).at("met").as_bool());
  EXPECT_FALSE(RowOf(record, 13).at("met").as_bool());
  EXPECT_FALSE(RowOf(record, 14).at("met").as_bool());
}

TEST(Record, WhatIsNoRecordIsRefusedByName) {
  const std::string path = ::testing::TempDir() + "/chaos-no-record.json";
  EXPECT_FALSE(Read(path).ok());
  std::ofstream(path) << "{\"seed\": 1";
  EXPECT_FALSE(Read(path).ok());
  std::ofstream(path) << "{\"seed\": 1}";
  EXPECT_NE(Read(path).status().message().find(path), std::string::npos);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace ft::chaos
