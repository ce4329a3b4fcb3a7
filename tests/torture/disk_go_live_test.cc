// SPDX-License-Identifier: GPL-2.0-or-later
//
// Going live with disk requests on their way: the primary is killed while six
// processes of the guest write, flush and discard. What it had not reported
// complete is issued again by the backup; the guest then reads everything
// back and holds it against what it wrote. Needs the guests that
// ./lockstep test -L debian makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/replay/network_bed.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;

std::string AskBackup(EnginePair& pair, const std::string& line) {
  auto said = pair.Await(pair.engine(Side::kBackup).Monitor(line));
  return said.ok() ? *said : said.status().ToString();
}

// The path of the disk's controller among QEMU's virtio devices.
std::string ControllerOf(EnginePair& pair) {
  std::istringstream lines(AskBackup(pair, "info virtio"));
  for (std::string line; std::getline(lines, line);) {
    const bool disk = line.find("virtio-blk") != std::string::npos ||
                      line.find("virtio-scsi") != std::string::npos;
    if (disk) return line.substr(0, line.find(' '));
  }
  return "";
}

// Requests that the guest has made on the backup and that are not complete.
int InFlight(EnginePair& pair, const std::string& controller) {
  const std::string key = "inuse:";
  int most = 0;
  for (const char* queue : {"0", "2"}) {  // of virtio-blk, of virtio-scsi
    const std::string status =
        AskBackup(pair, "info virtio-queue-status " + controller + " " + queue);
    const size_t at = status.find(key);
    if (at == std::string::npos) continue;
    most = std::max(most, std::atoi(status.c_str() + at + key.size()));
  }
  return most;
}

// The backup has executed all it has, and there is something left to do.
bool StopCarryingWithRequestsInFlight(EnginePair& pair) {
  const std::string controller = ControllerOf(pair);
  if (controller.empty()) return false;
  return pair.WaitUntil(
      [&] {
        pair.SetPumping(false);
        auto& ring = pair.engine(Side::kBackup).ring();
        pair.WaitUntil([&] { return ring.consumed() >= pair.carried(); },
                       replay::kPatience);
        if (InFlight(pair, controller) > 0) return true;
        pair.SetPumping(true);
        pair.Run(milliseconds(15));
        return false;
      },
      replay::kPatience);
}

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
  pair.Run(milliseconds(500));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  ASSERT_TRUE(StopCarryingWithRequestsInFlight(pair));
  ASSERT_EQ(pair.Console(Side::kPrimary).find("FT-GUEST-DONE"),
            std::string::npos);
  pair.KillPrimary();
  ASSERT_TRUE(pair.GoLive());
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"))
      << pair.Console(Side::kBackup);
}

INSTANTIATE_TEST_SUITE_P(Torture, DiskGoLive,
                         ::testing::Values("disk-blk", "disk-scsi",
                                           "disk-private", "disk-reads-backup"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace ft::torture
