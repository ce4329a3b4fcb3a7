// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/status_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace ft::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

boost::json::object Parse(const char* text) {
  return boost::json::parse(text).as_object();
}

constexpr char kStatus[] = R"({"host":"hostA","vms":[
  {"name":"vm1","role":"primary","state":"need-backup",
   "reason":"host-failure","epoch":3,"peer":"hostB","engine_pid":123,
   "engine_running":true,"execution_lag_ms":1.25,
   "positions":{"committed":100,"sent":90,"received":80,"replayed":70,
                "released":60},
   "log_mbit_per_s":0.5,"log_wire_mbit_per_s":0.25,
   "failover":{"detect_ms":1,"test_and_set_ms":2,
                                    "drain_ms":3,"total_ms":6},
   "since":"2026-11-21T07:45:57.123Z","why":"lost hostB"},
  {"name":"a-longer-name","role":"none","state":"disabled","reason":""}]})";

TEST(RenderTable, ShowsEveryVmInAlignedColumns) {
  std::string text = RenderTable(Parse(kStatus));
  EXPECT_THAT(text, HasSubstr("host hostA\n"));
  EXPECT_THAT(text, HasSubstr("need-backup (host-failure)"));
  EXPECT_THAT(text, HasSubstr("07:45:57"));
  EXPECT_THAT(text, HasSubstr("lost hostB\n"));
  EXPECT_EQ(std::ranges::count(text, '\n'), 4);
  size_t header = text.find("ROLE") - text.find("VM ");
  size_t row = text.find("primary") - text.find("vm1");
  EXPECT_EQ(header, row);
}

TEST(RenderTable, SaysThatThereAreNone) {
  EXPECT_EQ(RenderTable(Parse(R"({"host":"hostA","vms":[]})")),
            "hostA: no VMs; ftctl define FILE adds one\n");
}

TEST(RenderDetails, ShowsPositionsAndTheLastFailover) {
  std::string text = RenderDetails(Parse(kStatus));
  EXPECT_THAT(text, HasSubstr("vm1 on hostA"));
  EXPECT_THAT(text, HasSubstr("committed 100, sent 90, received 80"));
  EXPECT_THAT(text, HasSubstr("0.50 Mbit/s, 0.25 on the wire"));
  EXPECT_THAT(text, HasSubstr("6.0 ms: detect 1.0"));
  EXPECT_THAT(text, HasSubstr("pid 123"));
}

TEST(RenderDetails, ShowsReplicas) {
  std::string text = RenderDetails(Parse(
      R"({"vms":[{"name":"x","replica_of":"hostB",
          "replicas":[{"text":"replica of /a: 1 %"},{"text":"of /b"}]}]})"));
  EXPECT_THAT(text, HasSubstr("private disks   a replica of hostB's\n"));
  EXPECT_THAT(text, HasSubstr("disk            replica of /a: 1 %\n"));
  EXPECT_THAT(text, HasSubstr("disk            of /b\n"));
}

TEST(RenderDetails, MissingMembersAreEmpty) {
  std::string text = RenderDetails(Parse(R"({"vms":[{"name":"x"},7]})"));
  EXPECT_THAT(text, HasSubstr("x on"));
  EXPECT_THAT(text, Not(HasSubstr("last failover")));
}

TEST(RenderEvents, IsALinePerEvent) {
  std::string text = RenderEvents(Parse(
      R"({"events":[{"time":"T","epoch":2,"event":"state","text":"a"}]})"));
  EXPECT_EQ(text, "T  epoch 2  state       a\n");
}

}  // namespace
}  // namespace ft::cli
