// SPDX-License-Identifier: GPL-2.0-or-later
//
// Real guests on a real disk service: six processes of the guest write,
// flush, discard and read back. Needs the guests that ./lockstep test -L
// debian makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fencing/nbd_test_and_set.h"
#include "shared-disk/disk_service_for_test.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using fencing::TestAndSetOutcome;
using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;

class DiskServiceGuest : public ::testing::Test {
 protected:
  // Its disk is the service's; engines of hostA and hostB, of epoch 1.
  replay::PairOptions Options() {
    const Machine machine(*FindWorkload("disk-blk"));
    replay::PairOptions options = machine.Options();
    options.network = false;
    options.disks[0].path = "nbd://" + service_.address() + "/vm1-root";
    return options;
  }
  bool Acquire(uint64_t epoch, const std::string& host) {
    return store_.Acquire("vm1", epoch, host).outcome ==
           TestAndSetOutcome::kAcquired;
  }

  shared_disk::DiskServiceForTest service_{
      {.tcp = true, .disk_bytes = 64 << 20}};
  fencing::NbdTestAndSet store_{service_.address()};
};

// Killed three times, away for a while each time.
TEST_F(DiskServiceGuest, RestartOfTheServiceIsAPauseForTheGuest) {
  ASSERT_TRUE(Acquire(0, "hostA"));
  EnginePair pair(Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  for (int i = 0; i < 3; ++i) {
    pair.Run(milliseconds(700));
    service_.Kill();
    pair.Run(milliseconds(400));
    ASSERT_EQ(pair.Console(Side::kPrimary).find("FT-GUEST-DONE"),
              std::string::npos);
    ASSERT_TRUE(service_.Start()) << service_.log();
  }
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE"))
      << pair.Console(Side::kPrimary) << service_.log();
}

// The link between the hosts is cut, the backup wins and goes live. The
// primary, which ought to halt, goes on by mistake with all that it held
// back and everything after it. The backup's guest reads everything back and
// holds it against what it wrote.
TEST_F(DiskServiceGuest, PrimaryThatGoesOnByMistakeWritesNothing) {
  ASSERT_TRUE(Acquire(0, "hostA"));
  EnginePair pair(Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY"));
  pair.Run(milliseconds(500));
  ASSERT_TRUE(pair.Clone());
  ASSERT_TRUE(pair.Protect());
  pair.Run(milliseconds(500));
  pair.SetPumping(false);
  ASSERT_TRUE(Acquire(1, "hostB"));
  ASSERT_TRUE(pair.GoLive());
  ASSERT_TRUE(pair.Await(pair.engine(Side::kPrimary).Unprotect()).ok());
  ASSERT_EQ(pair.Console(Side::kBackup).find("FT-GUEST-DONE"),
            std::string::npos);
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, "FT-GUEST-DONE"))
      << pair.Console(Side::kBackup) << service_.log();
  EXPECT_THAT(service_.log(),
              testing::HasSubstr("hostA of epoch 1 does not hold the record: "
                                 "vm1 is epoch 2, held by hostB"));
  EXPECT_EQ(pair.Console(Side::kPrimary).find("FT-GUEST-DONE"),
            std::string::npos);
}

}  // namespace
}  // namespace ft::torture
