// SPDX-License-Identifier: GPL-2.0-or-later
//
// Real guests on a LUN of a real iSCSI target (istgt): six processes of the
// guest write, flush, discard and read back. Needs the guests that ./lockstep
// test -L debian makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "fencing/istgt_for_test.h"
#include "fencing/lossy_proxy_for_test.h"
#include "tests/torture/machine.h"

namespace ft::torture {
namespace {

using replay::EnginePair;
using replay::Side;
using std::chrono::milliseconds;

constexpr char kReady[] = "FT-GUEST-READY";
constexpr char kDone[] = "FT-GUEST-DONE";
constexpr char kFenced[] = "another engine has reserved this LUN";

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A SCSI command (RFC 7143, 11.3) that is a WRITE(10) or WRITE(16).
bool IsWrite(std::string_view pdu) {
  return pdu.size() >= 48 && (pdu[0] & 0x3f) == 0x01 &&
         (pdu[32] == '\x2a' || pdu[32] == '\x8a');
}

class IscsiDisk : public ::testing::TestWithParam<const char*> {
 protected:
  replay::PairOptions Options(const char* workload = "disk-blk") {
    const Machine machine(*FindWorkload(workload));
    replay::PairOptions options = machine.Options();
    options.network = false;
    options.disks[0].path = target_.url();
    return options;
  }
  // With a backup, and the guest in the midst of its work.
  static void Protect(EnginePair& pair) {
    ASSERT_TRUE(pair.StartPrimary());
    ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kReady));
    pair.Run(milliseconds(500));
    ASSERT_TRUE(pair.Clone());
    ASSERT_TRUE(pair.Protect());
    pair.Run(milliseconds(1000));
  }
  // The host stands still; to its backup it is as good as dead.
  static void FailOverFromStopped(EnginePair& pair) {
    ASSERT_EQ(kill(pair.EnginePid(Side::kPrimary), SIGSTOP), 0);
    pair.SetPumping(false);
    ASSERT_TRUE(pair.GoLive());
  }
  // It ought to halt, and goes on by mistake with all that was in flight, all
  // that it held back and everything after it.
  static void GoOnByMistake(EnginePair& pair) {
    ASSERT_EQ(kill(pair.EnginePid(Side::kPrimary), SIGCONT), 0);
    ASSERT_TRUE(pair.Await(pair.engine(Side::kPrimary).Unprotect()).ok());
  }
  static std::string Stderr(const EnginePair& pair, const std::string& side) {
    return Contents(pair.evidence() + "/" + side + ".stderr");
  }
  static bool IsDone(EnginePair& pair, Side side) {
    return pair.Console(side).find(kDone) != std::string::npos;
  }
  // Of all logins, as the target's log has them.
  std::vector<std::string> InitiatorPorts() const {
    std::vector<std::string> ports;
    std::ifstream log(target_.directory() / "istgt.log");
    for (std::string line; std::getline(log, line);) {
      const size_t isid = line.find("ISID=");
      if (isid != line.npos) ports.push_back(line.substr(isid, 17));
    }
    return ports;
  }
  std::string Lun() const { return Contents(target_.lun_path()); }

  fencing::IstgtForTest target_{{.bytes = 64 << 20}};
};

// The guest reads back all that it wrote, before and after.
TEST_P(IscsiDisk, FailoverLosesNothing) {
  EnginePair pair(Options(GetParam()));
  ASSERT_NO_FATAL_FAILURE(Protect(pair));
  pair.KillPrimary();
  ASSERT_TRUE(pair.GoLive());
  ASSERT_FALSE(IsDone(pair, Side::kBackup));
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, kDone))
      << Stderr(pair, "backup");
}

INSTANTIATE_TEST_SUITE_P(Disks, IscsiDisk,
                         ::testing::Values("disk-blk", "disk-scsi",
                                           "disk-reads-backup"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

using IscsiTarget = IscsiDisk;

TEST_F(IscsiTarget, RestartIsAPauseForTheGuest) {
  EnginePair pair(Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kReady));
  for (int i = 0; i < 3; ++i) {
    pair.Run(milliseconds(700));
    target_.server().Kill();
    pair.Run(milliseconds(400));
    ASSERT_FALSE(IsDone(pair, Side::kPrimary));
    target_.server().Start();
  }
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone))
      << pair.Console(Side::kPrimary) << Stderr(pair, "primary");
}

TEST_F(IscsiTarget, HangIsNamed_AndAPauseForTheGuest) {
  EnginePair pair(Options());
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kReady));
  target_.server().Stop();
  EXPECT_TRUE(pair.WaitUntil(
      [&] {
        return Stderr(pair, "primary").find("NOP timeout") != std::string::npos;
      },
      milliseconds(30'000)));
  target_.server().Continue();
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone))
      << pair.Console(Side::kPrimary) << Stderr(pair, "primary");
}

// A reply is lost, and with it the connection. A registration belongs to the
// initiator port, and so does what the broken session had still under way.
TEST_F(IscsiTarget, MeetsTheSameInitiatorPortAfterABreak) {
  fencing::LossyProxyForTest proxy(target_.port(), IsWrite);
  replay::PairOptions options = Options();
  options.disks[0].path = fencing::IstgtForTest::Url(proxy.port());
  EnginePair pair(options);
  ASSERT_TRUE(pair.StartPrimary());
  ASSERT_TRUE(pair.WaitForConsole(Side::kPrimary, kReady));
  for (int i = 0; i < 2; ++i) {
    proxy.LoseReplies(1);
    pair.Run(milliseconds(1000));
  }
  EXPECT_TRUE(pair.WaitForConsole(Side::kPrimary, kDone))
      << pair.Console(Side::kPrimary) << Stderr(pair, "primary");
  const std::vector<std::string> ports = InitiatorPorts();
  EXPECT_GT(ports.size(), 1u);
  EXPECT_THAT(ports, testing::Each(ports[0]));
}

// The primary comes back while the new side is at work.
TEST_F(IscsiTarget, RefusesAPrimaryThatGoesOnByMistake) {
  EnginePair pair(Options());
  ASSERT_NO_FATAL_FAILURE(Protect(pair));
  ASSERT_NO_FATAL_FAILURE(FailOverFromStopped(pair));
  pair.Run(milliseconds(200));
  ASSERT_NO_FATAL_FAILURE(GoOnByMistake(pair));
  ASSERT_FALSE(IsDone(pair, Side::kBackup));
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, kDone))
      << pair.Console(Side::kBackup) << Stderr(pair, "backup");
  EXPECT_THAT(Stderr(pair, "primary"), testing::HasSubstr(kFenced));
  EXPECT_FALSE(IsDone(pair, Side::kPrimary));
}

// It comes back when the new side is done. Nobody else could change a byte.
TEST_F(IscsiTarget, TakesNothingThatComesLate) {
  EnginePair pair(Options());
  ASSERT_NO_FATAL_FAILURE(Protect(pair));
  ASSERT_NO_FATAL_FAILURE(FailOverFromStopped(pair));
  ASSERT_TRUE(pair.WaitForConsole(Side::kBackup, kDone));
  const std::string looked = Lun();
  ASSERT_NO_FATAL_FAILURE(GoOnByMistake(pair));
  EXPECT_TRUE(pair.WaitUntil(
      [&] {
        return Stderr(pair, "primary").find(kFenced) != std::string::npos;
      },
      milliseconds(20'000)));
  pair.Run(milliseconds(2000));
  EXPECT_TRUE(Lun() == looked) << Stderr(pair, "primary");
}

// istgt forgets reservations when it ends. The new side looks once a second.
TEST_F(IscsiTarget, IsReservedAgainWhenItForgets) {
  replay::PairOptions options = Options();
  options.rounds *= 2;
  EnginePair pair(options);
  ASSERT_NO_FATAL_FAILURE(Protect(pair));
  ASSERT_NO_FATAL_FAILURE(FailOverFromStopped(pair));
  target_.server().Kill();
  const std::string looked = Lun();
  target_.server().Start();
  ASSERT_TRUE(
      pair.WaitUntil([&] { return Lun() != looked; }, milliseconds(20'000)));
  pair.Run(milliseconds(1500));
  ASSERT_NO_FATAL_FAILURE(GoOnByMistake(pair));
  ASSERT_FALSE(IsDone(pair, Side::kBackup));
  EXPECT_TRUE(pair.WaitForConsole(Side::kBackup, kDone))
      << pair.Console(Side::kBackup) << Stderr(pair, "backup");
  EXPECT_THAT(Stderr(pair, "primary"), testing::HasSubstr(kFenced));
}

}  // namespace
}  // namespace ft::torture
