// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a clone once did not have from its primary, as the torture found it
// (seed 1). Needs guests that ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::PairOptions;
using replay::Side;

PairOptions Dense(const Machine& machine) {
  PairOptions options = machine.Options();
  options.dense = true;
  return options;
}

void ExpectExactClone(EnginePair& pair) {
  ASSERT_TRUE(pair.Clone());
  EXPECT_TRUE(pair.CompareHere());
  EXPECT_FALSE(pair.divergence());
}

// A click is for the pointing device that the guest activated last. Right
// behind a clone, before the guest has polled its tablet again, clicks went
// to the backup's PS/2 mouse (run 2 of serial-input and keyboard-mice).
TEST(ClickedClone, ClicksOnItsPrimarysDevice) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  const Machine machine(*FindWorkload("keyboard-mice"));
  EnginePair pair(Dense(machine));
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  const Operator clicks = Operator::Clicking(machine.qmp_path());
  ASSERT_TRUE(clicks.hired());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-PROGRESS"));
  ASSERT_NO_FATAL_FAILURE(ExpectExactClone(pair));
}

// The flags of SSE exceptions that a guest has raised and not yet asked for
// are part of its clone (run 78).
TEST(MxcsrClone, HasTheFlagsThatWereRaised) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  Workload workload = *FindWorkload("x87-sse");
  workload.what = "mxcsr";
  const Machine machine(workload);
  EnginePair pair(Dense(machine));
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  ASSERT_NO_FATAL_FAILURE(ExpectExactClone(pair));
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"));
}

}  // namespace
}  // namespace ft::torture
