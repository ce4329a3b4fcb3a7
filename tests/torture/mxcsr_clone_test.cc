// SPDX-License-Identifier: GPL-2.0-or-later
//
// The flags of SSE exceptions that a guest has raised and not yet asked for
// are part of its clone (seed 1, run 78). Needs a guest that ./lockstep test
// -L debian makes.
#include <gtest/gtest.h>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::PairOptions;
using replay::Side;

TEST(MxcsrClone, HasTheFlagsThatWereRaised) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  Workload workload = *FindWorkload("x87-sse");
  workload.what = "mxcsr";
  PairOptions options = Machine(workload).Options();
  options.dense = true;
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_TRUE(pair.Clone());
  EXPECT_TRUE(pair.CompareHere());
  EXPECT_FALSE(pair.divergence());
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"));
}

}  // namespace
}  // namespace ft::torture
