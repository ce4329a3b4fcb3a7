// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/event_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "host/temp_dir_for_test.h"

namespace ft::host {
namespace {

TEST(EventLog, KeepsTheLastThousandOfEachVm) {
  TempDir dir;
  EventLog log(dir / "events.jsonl");
  ASSERT_TRUE(log.Open().ok());
  log.Add({.vm = "vm2", .epoch = 1, .kind = "state", .text = "other"});
  for (int i = 0; i < 1005; ++i) {
    log.Add({.vm = "vm1", .epoch = 1, .kind = "k", .text = std::to_string(i)});
  }
  EXPECT_EQ(log.Events("vm1", 5000).size(), 1000u);
  EXPECT_EQ(log.Events("vm1", 5000).front().text, "5");
  EXPECT_EQ(log.Events("vm1", 2).front().text, "1003");
  EXPECT_EQ(log.Events("vm2", 5000).size(), 1u);
  EXPECT_TRUE(log.Events("vm3", 5000).empty());
}

TEST(EventLog, RestartReadsItsFileAndSkipsATornLine) {
  TempDir dir;
  {
    EventLog log(dir / "events.jsonl");
    ASSERT_TRUE(log.Open().ok());
    log.Add({.vm = "vm1", .epoch = 2, .kind = "state", .text = "a \"b\""});
  }
  std::ofstream(dir / "events.jsonl", std::ios::app) << "{\"vm\":\"vm1\",";
  EventLog log(dir / "events.jsonl");
  ASSERT_TRUE(log.Open().ok());
  auto events = log.Events("vm1", 10);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].text, "a \"b\"");
  EXPECT_EQ(events[0].epoch, 2u);
}

}  // namespace
}  // namespace ft::host
