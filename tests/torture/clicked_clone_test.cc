// SPDX-License-Identifier: GPL-2.0-or-later
//
// A click is for the pointing device that the guest activated last. Right
// behind a clone, before the guest has polled its tablet again, clicks went
// to the backup's PS/2 mouse (seed 1, run 2 of serial-input and
// keyboard-mice). Needs a guest that ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::PairOptions;
using replay::Side;

TEST(ClickedClone, ClicksOnItsPrimarysDevice) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  const Machine machine(*FindWorkload("keyboard-mice"));
  PairOptions options = machine.Options();
  options.dense = true;
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  const Operator clicks = Operator::Clicking(machine.qmp_path());
  ASSERT_TRUE(clicks.hired());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-PROGRESS"));
  ASSERT_TRUE(pair.Clone());
  EXPECT_TRUE(pair.CompareHere());
  EXPECT_FALSE(pair.divergence());
}

}  // namespace
}  // namespace ft::torture
