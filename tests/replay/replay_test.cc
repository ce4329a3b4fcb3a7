// SPDX-License-Identifier: GPL-2.0-or-later
//
// Virtual lockstep, proved by digests: a backup that executed the whole log
// has the primary's instruction count, RAM, CPU state and console.
#include <gtest/gtest.h>

#include "tests/replay/engine_pair.h"
#include "tests/replay/guest_memory.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/redis_load.h"

namespace ft::replay {
namespace {

using std::chrono::seconds;

// The clone is taken before the guest's kernel has said a word.
TEST(Replay, BootIsIdentical) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 1});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-READY"));
  pair.ExpectIdentical();
}

// The clone is taken while the guest computes, forks and writes memory.
TEST(Replay, TinyGuestIsIdentical) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 5});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  pair.ExpectIdentical();
  EXPECT_NE(pair.Console(Side::kBackup).find("FT-GUEST-DONE"),
            std::string::npos);
}

TEST(Replay, IdleGuestIsIdentical) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 1});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  ASSERT_TRUE(pair.Clone());
  // Two seconds of timer ticks and warps over an idle CPU.
  pair.Run(seconds(2));
  pair.ExpectIdentical();
}

// The output rule is in force, so this also shows that outputs are released
// by acknowledgements alone.
TEST(Replay, NetworkLoadIsIdentical) {
  constexpr int kWrites = 800;
  NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  EnginePair pair({.workload = "redis", .network = true});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  RedisLoad load(kWrites);
  EXPECT_TRUE(pair.WaitUntil([&] { return load.done(); }, kPatience));
  EXPECT_EQ(load.error(), "");
  const EngineState state = pair.Query(Side::kPrimary);
  EXPECT_TRUE(state.holding);
  EXPECT_GE(state.outputs, static_cast<uint64_t>(kWrites));
  pair.ExpectIdentical();
}

TEST(Digest, DenseDigestsOfAnEqualMachineAreEqual) {
  EnginePair pair({.workload = "torture-tiny", .dense = true});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  pair.ExpectIdentical();
}

// One bit of the backup's RAM, which the guest may never look at.
TEST(Digest, FlippedBitIsADivergence) {
  EnginePair pair({.workload = "cpu", .rounds = 1000, .may_diverge = true});
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  const pid_t backup = pair.engine(Side::kBackup).process().pid();
  const Status flipped =
      FlipGuestBit(backup, PairOptions().memory_mib, 12u << 20);
  ASSERT_TRUE(flipped.ok()) << flipped.ToString();
  EXPECT_TRUE(
      pair.WaitUntil([&] { return pair.divergence().has_value(); }, kPatience));
  ASSERT_TRUE(pair.divergence());
  EXPECT_NE(pair.divergence()->expected.find("RAM from 12288 KiB"),
            std::string::npos)
      << pair.divergence()->expected;
  // No register differs there.
  const uint64_t there = pair.divergence()->icount;
  const auto of_primary =
      pair.Await(pair.engine(Side::kPrimary).Registers(there));
  const auto of_backup =
      pair.Await(pair.engine(Side::kBackup).Registers(there));
  ASSERT_TRUE(of_primary.ok()) << of_primary.status().ToString();
  ASSERT_TRUE(of_backup.ok()) << of_backup.status().ToString();
  EXPECT_NE(of_primary->find("RIP="), std::string::npos) << *of_primary;
  EXPECT_EQ(*of_primary, *of_backup);
}

// A failed clone costs nothing: the VM runs on, and the next clone works.
TEST(Clone, FailureLeavesTheVmRunning) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 2});
  ASSERT_TRUE(pair.StartPrimary());
  auto nowhere = pair.Await(pair.engine(Side::kPrimary).Clone("127.0.0.1", 1));
  EXPECT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.status().message(), "");
  EngineState state = pair.Query(Side::kPrimary);
  EXPECT_TRUE(state.running);
  EXPECT_FALSE(state.keeping_log);
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
  pair.ExpectIdentical();
}

}  // namespace
}  // namespace ft::replay
