// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/engine_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace ft::replay {
namespace {

using boost::json::parse;
using ::testing::HasSubstr;

constexpr char kQuery[] =
    R"({"mode":"record","log-mode":"keep","holding":true,"running":true,
        "committed":10,"consumed":2,"acknowledged":3,"released":4,
        "icount":18446744073709551615,"held-outputs":5,"held-bytes":6,
        "outputs":7,"output-delay-us-p50":8,"output-delay-us-p99":9,
        "clone-pause-us":11,"clone-total-us":12,"orphaned":false,
        "diverged":true,
        "engine-build":"abc"})";

TEST(EngineMessages, Query_IsRead) {
  auto state = ParseEngineState(parse(kQuery));
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_TRUE(state->recording);
  EXPECT_TRUE(state->keeping_log);
  EXPECT_TRUE(state->holding);
  EXPECT_FALSE(state->orphaned);
  EXPECT_TRUE(state->diverged);
  EXPECT_EQ(state->committed, 10u);
  EXPECT_EQ(state->icount, UINT64_MAX);
  EXPECT_EQ(state->clone_total_us, 12u);
  EXPECT_EQ(state->engine_build, "abc");
}

TEST(EngineMessages, Query_MissingFieldIsNamed) {
  auto value = parse(kQuery);
  value.as_object().erase("acknowledged");
  EXPECT_THAT(ParseEngineState(value).status().message(),
              HasSubstr("\"acknowledged\""));
  value = parse(kQuery);
  value.as_object()["holding"] = 1;
  EXPECT_THAT(ParseEngineState(value).status().message(),
              HasSubstr("\"holding\""));
  EXPECT_EQ(ParseEngineState(parse("[]")).status().code(), Code::kFailed);
}

TEST(EngineMessages, ReplicaEvent_IsRead) {
  const auto value =
      parse(R"({"node":"d1","done":5,"total":9,"sent":3})").as_object();
  auto progress = ParseReplicaEvent(value);
  ASSERT_TRUE(progress.ok()) << progress.status().ToString();
  EXPECT_EQ(progress->node, "d1");
  EXPECT_EQ(progress->done, 5u);
  EXPECT_EQ(progress->total, 9u);
  EXPECT_EQ(progress->sent, 3u);
  EXPECT_THAT(ParseReplicaEvent({}).status().message(), HasSubstr("\"node\""));
}

TEST(EngineMessages, CloneEvent_TellsBothEnds) {
  auto done =
      ParseCloneEvent(parse(R"({"status":"completed","position":1,"pause-us":2,
                "total-us":3})")
                          .as_object());
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->position, 1u);
  EXPECT_EQ(done->total_us, 3u);
  auto failed = ParseCloneEvent(
      parse(R"({"status":"failed","error":"no route"})").as_object());
  EXPECT_EQ(failed.status().message(), "the clone failed: no route");
}

TEST(EngineMessages, Digest_IsReadAndCompared) {
  const char* text =
      R"({"icount":5,"position":6,"ram":"00000000000000aa",
          "cpu":"00000000000000bb","devices":"a, instance 0=1; b=2"})";
  auto digest = ParseDigest(parse(text));
  ASSERT_TRUE(digest.ok());
  EXPECT_EQ(*digest, *ParseDigest(parse(text)));
  MachineDigest other = *digest;
  other.ram = "00000000000000ab";
  EXPECT_NE(*digest, other);
  EXPECT_EQ(FirstDifference(*digest, *digest), "");
  EXPECT_EQ(FirstDifference(*digest, other), "RAM");
  other.ram = digest->ram;
  other.devices = "a, instance 0=1; b=3";
  EXPECT_EQ(FirstDifference(*digest, other), "state of b=2 and b=3");
  other.cpu = "00000000000000bc";
  EXPECT_EQ(FirstDifference(*digest, other), "vCPU registers");
}

TEST(EngineMessages, Divergence_IsTakenAsFarAsItIsTold) {
  const Divergence divergence =
      ParseDivergence(parse(R"({"position":9,"got":"b"})").as_object());
  EXPECT_EQ(divergence.position, 9u);
  EXPECT_EQ(divergence.expected, "");
  EXPECT_EQ(divergence.got, "b");
}

// 2^64 is no position, and 7.0 is no integer.
TEST(EngineMessages, Position_IsAWholeNumberThatFits) {
  EXPECT_EQ(*ParsePosition(parse("{\"position\":7}")), 7u);
  for (const char* bad : {"18446744073709551616", "-1", "7.0", "1e300"}) {
    const auto position =
        ParsePosition(parse("{\"position\":" + std::string(bad) + "}"));
    ASSERT_FALSE(position.ok()) << bad;
    EXPECT_EQ(position.status().message(),
              "the engine's answer has no valid field \"position\"");
  }
}

}  // namespace
}  // namespace ft::replay
