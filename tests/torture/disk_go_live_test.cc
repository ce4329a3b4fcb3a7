// SPDX-License-Identifier: GPL-2.0-or-later
//
// Going live with disk requests on their way: the primary is killed while six
// processes of the guest write, flush and discard. What it had not reported
// complete is issued again by the backup; the guest then reads everything
// back and holds it against what it wrote. Needs the guests that
// ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;

class DiskGoLive : public ::testing::TestWithParam<const char*> {};

TEST_P(DiskGoLive, NothingThatWasWrittenIsLost) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  const Machine machine(*FindWorkload(GetParam()));
  const Status image = machine.MakeImage();
  ASSERT_TRUE(image.ok()) << image.ToString();
  EnginePair pair(machine.Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  pair.WaitUntil([] { return false; }, milliseconds(500));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  pair.WaitUntil([] { return false; }, milliseconds(1500));
  ASSERT_EQ(pair.Console(Side::kPrimary).find("FT-GUEST-DONE"),
            std::string::npos);
  pair.KillPrimary();
  ASSERT_TRUE(pair.GoLive());
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"))
      << pair.Console(Side::kBackup);
}

INSTANTIATE_TEST_SUITE_P(Torture, DiskGoLive,
                         ::testing::Values("disk-blk", "disk-scsi"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace ft::torture
