// SPDX-License-Identifier: GPL-2.0-or-later
//
// reads = "backup": the backup reads the shared image itself and finds what
// its primary found, while the guest writes there. The guest is hard on its
// disk (tests/guest/disk.c) and holds what it reads against what it wrote.
// Needs the guests that ./lockstep test -L debian makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/torture/faulty_disk.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;

constexpr char kDone[] = "FT-GUEST-DONE";

class BackupReads : public ::testing::Test {
 protected:
  void SetUp() override {
    const Status image = machine_.MakeImage();
    ASSERT_TRUE(image.ok()) << image.ToString();
  }
  replay::PairOptions Options() const {
    replay::PairOptions options = machine_.Options();
    options.network = false;
    return options;
  }
  // A clone in the middle of the work.
  static bool Begin(EnginePair& pair) {
    if (!pair.StartPrimary() ||
        !pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY")) {
      return false;
    }
    pair.Run(milliseconds(500));
    return pair.Clone();
  }
  static bool IsDone(EnginePair& pair) {
    return pair.Console(Side::kPrimary).find(kDone) != std::string::npos;
  }

  const Machine machine_{*FindWorkload("disk-reads-backup")};
};

TEST_F(BackupReads, FindWhatThePrimaryFound) {
  EnginePair pair(Options());
  ASSERT_TRUE(Begin(pair));
  ASSERT_TRUE(pair.Protect());
  pair.Run(milliseconds(700));
  ASSERT_TRUE(pair.CompareHere());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone));
  pair.ExpectIdentical();
}

// Its host cannot read for a second: it falls behind, and says so once.
TEST_F(BackupReads, ThatFailAreTriedAgain) {
  using Fault = FaultyDisk::Fault;
  FaultyDisk primary_disk(machine_.image_path(), Fault::kReadsFail);
  FaultyDisk backup_disk(machine_.image_path(), Fault::kReadsFail);
  replay::PairOptions options = Options();
  options.backup_disks = options.disks;
  options.disks[0].path = primary_disk.path();
  options.backup_disks[0].path = backup_disk.path();
  EnginePair pair(options);
  ASSERT_TRUE(Begin(pair));
  ASSERT_TRUE(pair.Protect());
  backup_disk.Fail(true);
  pair.Run(milliseconds(300));
  const auto& ring = pair.engine(Side::kBackup).ring();
  const uint64_t stuck = ring.consumed();
  pair.Run(milliseconds(1000));
  EXPECT_EQ(ring.consumed(), stuck);
  EXPECT_LT(stuck, ring.committed());
  backup_disk.Fail(false);
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone));
  pair.ExpectIdentical();
  std::ifstream file(pair.engine(Side::kBackup).options().stderr_log);
  std::stringstream said;
  said << file.rdbuf();
  const std::string line = "disk 'd0': this backup cannot read";
  const size_t first = said.str().find(line);
  ASSERT_NE(first, std::string::npos) << said.str();
  EXPECT_EQ(said.str().find(line, first + 1), std::string::npos) << said.str();
}

// Nothing tells the primary how far its backup is: the guest stands still
// before the first change of what it has read. Nobody has to be waited for
// when there is no backup any more.
TEST_F(BackupReads, AreNotWaitedForWithoutABackup) {
  EnginePair pair(Options());
  ASSERT_TRUE(Begin(pair));
  pair.SetPumping(false);
  pair.Run(milliseconds(500));
  ASSERT_FALSE(IsDone(pair));
  ASSERT_TRUE(pair.Await(pair.engine(Side::kPrimary).Unprotect()).ok());
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone))
      << pair.Console(Side::kPrimary);
}

}  // namespace
}  // namespace ft::torture
