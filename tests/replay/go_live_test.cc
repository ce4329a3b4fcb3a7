// SPDX-License-Identifier: GPL-2.0-or-later
//
// Going live: the primary is gone, the backup executes what it has and runs
// on from there.
#include <gtest/gtest.h>

#include "tests/replay/engine_pair.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/redis_load.h"

namespace ft::replay {
namespace {

std::string Progress(int round) {
  return "FT-GUEST-PROGRESS " + std::to_string(round) + " ";
}

TEST(GoLive, GuestContinuesOnTheBackup) {
  constexpr int kRounds = 30;
  EnginePair pair({.workload = "torture-tiny", .rounds = kRounds});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, Progress(kRounds / 3)));
  const std::string before = pair.Console(Side::kPrimary);
  pair.KillPrimary();
  ASSERT_TRUE(pair.GoLive());
  const EngineState state = pair.Query(Side::kBackup);
  EXPECT_TRUE(state.recording);
  EXPECT_TRUE(state.running);
  EXPECT_FALSE(state.keeping_log);
  ASSERT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"));
  // No round is missing between the two consoles.
  for (int round = 1; round <= kRounds; ++round) {
    EXPECT_TRUE(before.find(Progress(round)) != std::string::npos ||
                pair.Console(Side::kBackup).find(Progress(round)) !=
                    std::string::npos)
        << "round " << round;
  }
}

TEST(GoLive, RefusesWhatItDoesNotHave) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 3});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.Clone());
  Engine& backup = pair.engine(Side::kBackup);
  auto live = pair.Await(backup.GoLive(UINT64_C(1) << 40));
  EXPECT_EQ(live.status().code(), Code::kFailed);
  EXPECT_NE(live.status().message(), "");
  // It replays on as if nothing had been asked.
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  pair.ExpectIdentical();
}

// T=0 a client writes to Redis; T=1 the primary is killed in the middle; T=2
// the backup goes live; T=3 the client, which has noticed nothing but a
// pause, has all its writes acknowledged and reads every one back.
TEST(GoLive, ConnectionAndWritesSurvive) {
  constexpr int kWrites = 800;
  NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  EnginePair pair({.workload = "redis", .network = true});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  RedisLoad load(kWrites);
  ASSERT_TRUE(pair.WaitUntil(
      [&] { return load.done() || load.acknowledged() >= kWrites / 2; },
      kPatience));
  pair.KillPrimary();
  EXPECT_LT(load.acknowledged(), kWrites);
  ASSERT_TRUE(pair.GoLive());
  EXPECT_TRUE(pair.WaitUntil([&] { return load.done(); }, kPatience));
  EXPECT_EQ(load.error(), "");
  EXPECT_EQ(load.acknowledged(), kWrites);
}

}  // namespace
}  // namespace ft::replay
