// SPDX-License-Identifier: GPL-2.0-or-later
//
// The flags that an instruction leaves undefined are of the machine's choice,
// but a backup has to choose as its primary did, wherever either of them begins
// a translated block (seed 11, run 67). Needs guests that ./lockstep test -L
// debian makes.
#include <gtest/gtest.h>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;

// The guest finds out for itself (tests/guest/edges.c).
TEST(UndefinedFlags, DoNotDependOnWhereABlockBegins) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  Workload workload = *FindWorkload("strings");
  workload.what = "undefined";
  workload.rounds = 1;
  const Machine machine(workload);
  EnginePair pair(machine.Options());
  ASSERT_TRUE(pair.StartPrimary());
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"));
}

}  // namespace
}  // namespace ft::torture
