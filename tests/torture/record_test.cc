// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/record.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>

namespace ft::torture {
namespace {

Record SomeRecord() {
  const Workload* workload = FindWorkload("ports");
  Record record = {
      .seed = 5, .engine = "7.2+ft", .runs = 2, .workloads = {workload}};
  const Trial trial = PlanTrial(5, 1, record.workloads);
  Append(record, trial, {.identical = true, .compared = 3});
  Append(record, trial, {.failure = "RAM differs", .evidence = "/tmp/e"});
  return record;
}

TEST(Record, SurvivesItsFile) {
  const std::string path = ::testing::TempDir() + "/torture-record.json";
  ASSERT_TRUE(Write(SomeRecord(), path).ok());
  const auto read = Read(path);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->seed, 5u);
  EXPECT_EQ(read->engine, "7.2+ft");
  EXPECT_EQ(read->runs, 2);
  EXPECT_EQ(read->done(), 2);
  EXPECT_EQ(read->identical(), 1);
  EXPECT_EQ(read->workloads, SomeRecord().workloads);
  EXPECT_EQ(ToJson(*read), ToJson(SomeRecord()));
  std::remove(path.c_str());
}

TEST(Record, NamesWhatWasCovered) {
  const boost::json::object object = ToJson(SomeRecord());
  const auto text = boost::json::serialize(object.at("devices"));
  EXPECT_NE(text.find("PIT"), std::string::npos);
  EXPECT_EQ(text.find("virtio-net"), std::string::npos);
}

// One run that differs is enough, and so is one too few.
TEST(Record, TargetIsMetByAHundredAndAllOfThem) {
  Record record = SomeRecord();
  record.results.clear();
  const Trial trial = PlanTrial(5, 1, record.workloads);
  const auto met = [&] {
    return ToJson(record).at("rows").at(0).at("met").as_bool();
  };
  for (int i = 0; i < 99; ++i) Append(record, trial, {.identical = true});
  EXPECT_FALSE(met());
  Append(record, trial, {.identical = true});
  EXPECT_TRUE(met());
  Append(record, trial, {.identical = false});
  EXPECT_FALSE(met());
}

TEST(Record, OutcomePassesThroughAPipe) {
  const Outcome told = {.identical = true,
                        .is_void = true,
                        .failure = "f\n\"quoted\"",
                        .evidence = "/tmp/e",
                        .finding = "page",
                        .seconds = 1.5,
                        .work_seconds = 2.5,
                        .rest_seconds = 3.5,
                        .compared = 4,
                        .instructions = 1ull << 40,
                        .log_bytes = 6};
  const auto text = boost::json::serialize(ToJson(told));
  const auto heard = OutcomeFromJson(boost::json::parse(text));
  ASSERT_TRUE(heard.ok()) << heard.status().ToString();
  EXPECT_EQ(ToJson(*heard), ToJson(told));
  EXPECT_FALSE(OutcomeFromJson(boost::json::parse("{}")).ok());
}

TEST(Record, WhatIsNoRecordIsRefusedByName) {
  const std::string path = ::testing::TempDir() + "/torture-no-record.json";
  EXPECT_FALSE(Read(path).ok());
  std::ofstream(path) << "{\"seed\": 1";
  EXPECT_FALSE(Read(path).ok());
  std::ofstream(path) << "{\"seed\": 1}";
  EXPECT_NE(Read(path).status().message().find(path), std::string::npos);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace ft::torture
