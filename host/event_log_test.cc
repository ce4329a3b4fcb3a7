// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/event_log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "host/temp_dir_for_test.h"
#include "host/vm_state.h"

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

// A peer's last words are part of an event.
TEST(EventLog, TextIsOneLineWhateverItSays) {
  TempDir dir;
  EventLog log(dir / "events.jsonl");
  ASSERT_TRUE(log.Open().ok());
  log.Add({.vm = "vm1", .epoch = 1, .kind = "k", .text = "a\nb\x1b[2J\xff"});
  EXPECT_EQ(log.Events("vm1", 1).front().text, "a?b?[2J?");
}

TEST(EventLog, LinesThatAreNoEventsAreSkipped) {
  const std::string rest = R"(,"vm":"vm1","event":"k","text":"t","time":"")";
  Event event;
  EXPECT_TRUE(FromJsonLine(R"({"time_ms":1,"epoch":2)" + rest + "}", &event));
  for (const char* epoch : {"-1", "18446744073709551616", "1.5", "\"1\""}) {
    EXPECT_FALSE(FromJsonLine(
        R"({"time_ms":1,"epoch":)" + std::string(epoch) + rest + "}", &event))
        << epoch;
  }
}

TEST(EventLog, NulInAnEventIsKept) {
  Event event;
  event.wall_clock_ms = 1;
  event.vm = std::string("v\0m", 3);
  event.epoch = 2;
  Event again;
  ASSERT_TRUE(FromJsonLine(ToJsonLine(event), &again));
  EXPECT_EQ(again.vm, event.vm);
}

TEST(IsoTime, IsRoundedDownToMilliseconds) {
  EXPECT_EQ(IsoTime(1700000000123), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(IsoTime(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(IsoTime(-1000), "1969-12-31T23:59:59.000Z");
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
