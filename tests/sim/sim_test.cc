// SPDX-License-Identifier: GPL-2.0-or-later
//
// The ring `sim`: ten thousand runs, and what makes them worth something.
#include <gtest/gtest.h>

#include "tests/sim/run.h"

namespace ft::sim {
namespace {

std::string Failed(const RunResult& result, const Options& options) {
  return result.violation ? Tell(result, options) : "";
}

// In four parts, so that ctest may run them side by side.
class Sim : public testing::TestWithParam<uint64_t> {};

TEST_P(Sim, TenThousandRunsKeepEveryInvariant) {
  uint64_t answered = 0, failovers = 0, served = 0;
  for (uint64_t i = 0; i < 2500; ++i) {
    const Options options{.seed = GetParam() + i};
    const RunResult result = RunOnce(options);
    ASSERT_FALSE(result.violation) << Failed(result, options);
    answered += result.answered;
    failovers += result.failovers;
    served += result.served;
  }
  // The runs are about something.
  EXPECT_GT(answered, 2500u * 50);
  EXPECT_GT(failovers, 800u);
  EXPECT_GT(served, 2000u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Sim, testing::Values(1u, 2501u, 5001u, 7501u));

TEST(SimSeed, SameSeedSameRun) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const RunResult first = RunOnce({.seed = seed}, 256, true);
    const RunResult second = RunOnce({.seed = seed}, 256, true);
    ASSERT_EQ(first.digest, second.digest) << "seed " << seed;
    ASSERT_EQ(first.steps, second.steps) << "seed " << seed;
    ASSERT_EQ(first.trace, second.trace) << "seed " << seed;
  }
  EXPECT_NE(RunOnce({.seed = 1}).digest, RunOnce({.seed = 2}).digest);
}

// --- Bugs that the simulator found, and their seeds.

// The primary called the VM protected as soon as the log through Protect's
// position was acknowledged; Protect itself was still on its way when its
// host lost power, and the backup, not entitled, halted. Now the backup's
// Ack says that it is entitled.
TEST(SimRegression, Seeds4215_20501_44411_ProtectedBeforeProtectArrived) {
  for (const uint64_t seed : {4215, 20501, 44411}) {
    const Options options{.seed = seed};
    const RunResult result = RunOnce(options);
    EXPECT_FALSE(result.violation) << Failed(result, options);
  }
}

// --- The tester is tested: faults planted in the protocol are found.

struct Plant {
  Planted planted;
  fencing::Invariant breaks;
};
void PrintTo(const Plant& plant, std::ostream* out) {
  *out << Name(plant.planted);
}

class PlantedFault : public testing::TestWithParam<Plant> {};

TEST_P(PlantedFault, IsCaughtWithinTenThousandRuns) {
  Options options{.planted = GetParam().planted};
  for (options.seed = 1; options.seed <= 10000; ++options.seed) {
    const RunResult result = RunOnce(options);
    if (!result.violation) continue;
    EXPECT_EQ(result.violation->invariant, GetParam().breaks)
        << Tell(result, options);
    EXPECT_FALSE(result.trace.empty());
    std::printf("%s: seed %lu, step %lu: %s\n", Name(options.planted),
                options.seed, result.steps, result.violation->what.c_str());
    return;
  }
  FAIL() << Name(options.planted) << " was not noticed";
}

using fencing::Invariant;
INSTANTIATE_TEST_SUITE_P(
    Seams, PlantedFault,
    testing::Values(Plant{Planted::kSkipTestAndSet, Invariant::kI1},
                    Plant{Planted::kReleaseBeforeAck, Invariant::kI2},
                    Plant{Planted::kAckAfterContending, Invariant::kI6},
                    Plant{Planted::kForgetEpoch, Invariant::kI1},
                    Plant{Planted::kUnreachableIsAcquired, Invariant::kI1},
                    Plant{Planted::kNoOutputLease, Invariant::kI1},
                    Plant{Planted::kLeaseFromHearing, Invariant::kI1},
                    Plant{Planted::kGoLiveWithoutDraining, Invariant::kI5}));

}  // namespace
}  // namespace ft::sim
