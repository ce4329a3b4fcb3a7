// SPDX-License-Identifier: GPL-2.0-or-later
//
// The bed itself: its hosts hear each other, its cables can be cut one by
// one, and nothing of it outlives it, however its owner ends.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

namespace fs = std::filesystem;

using Bed = BedTest;

// Nobody listens on the discard port, so a host that hears us refuses at
// once, and one that does not is silent.
bool Hears(const std::string& name_space, const std::string& address) {
  const CommandResult result =
      Run(Network::Inside(name_space, {"timeout", "1", "bash", "-c",
                                       "</dev/tcp/" + address + "/9"}));
  return result.err.find("refused") != std::string::npos;
}

TEST_F(Bed, HostsAndClientHearEachOther) {
  Network& network = bed().network();
  const std::string a = network.HostNamespace(Side::kA);
  EXPECT_TRUE(Hears(a, "10.77.0.2"));
  EXPECT_TRUE(Hears(a, "10.78.0.2"));
  EXPECT_TRUE(Hears(a, kStorageAddress));
  EXPECT_TRUE(Hears(network.ClientNamespace(), "10.77.0.1"));
  EXPECT_TRUE(Hears(network.ClientNamespace(), "10.77.0.2"));
}

TEST_F(Bed, CutLogLink_LeavesTheUplink) {
  const std::string a = bed().network().HostNamespace(Side::kA);
  bed().CutLogLink();
  EXPECT_FALSE(Hears(a, "10.78.0.2"));
  EXPECT_TRUE(Hears(a, "10.77.0.2"));
  bed().RestoreLinks();
  // The kernel takes up to a second to believe in a carrier again.
  EXPECT_TRUE(
      Eventually(milliseconds(5000), [&] { return Hears(a, "10.78.0.2"); }));
}

TEST_F(Bed, CutSan_LeavesTheOtherHostItsStorage) {
  Network& network = bed().network();
  const std::string a = network.HostNamespace(Side::kA);
  network.Cut(Side::kA, Cable::kSan);
  EXPECT_FALSE(Hears(a, kStorageAddress));
  EXPECT_TRUE(Hears(a, "10.78.0.2"));
  EXPECT_TRUE(Hears(network.HostNamespace(Side::kB), kStorageAddress));
}

TEST_F(Bed, IsolatedHost_SeesItsCarrierGo) {
  Network& network = bed().network();
  const std::string a = network.HostNamespace(Side::kA);
  const std::vector<std::string> carrier =
      Network::Inside(a, {"cat", "/sys/class/net/eth0/carrier"});
  EXPECT_EQ(RunOrThrow(carrier), "1\n");
  bed().Isolate(Side::kA);
  EXPECT_EQ(RunOrThrow(carrier), "0\n");
  EXPECT_FALSE(Hears(network.ClientNamespace(), "10.77.0.1"));
  EXPECT_TRUE(Hears(network.ClientNamespace(), "10.77.0.2"));
}

TEST_F(Bed, ReadOnlyDirectory_StopsEvenRoot) {
  const std::string dir = bed().MakeReadOnlyDirectory("sealed");
  EXPECT_FALSE(std::ofstream(dir + "/file").is_open());
}

TEST(BedEnds, Destructor_LeavesNothingBehind) {
  auto bed = std::make_unique<TestBed>();
  const Traces traces(bed->run());
  const std::string host = bed->network().HostNamespace(Side::kB);
  bed->MakeReadOnlyDirectory("sealed");
  // Detached from us, as an engine is from its ftd.
  RunOrThrow(
      Network::Inside(host, {"sh", "-c", "setsid sleep 600 >&- 2>&- &"}));
  const std::vector<pid_t> pids = ProcessesInNamespace(host);
  ASSERT_EQ(pids.size(), 1u);
  bed.reset();
  EXPECT_EQ(traces.Left(), "");
  // Gone, or not yet collected by init.
  const std::string process = "/proc/" + std::to_string(pids.front());
  EXPECT_FALSE(fs::exists(process + "/ns/net") && fs::exists(process + "/exe"));
}

TEST(BedEnds, OwnerKilled_JanitorLeavesNothingBehind) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t owner = fork();
  if (owner == 0) {
    TestBed bed;
    if (write(report[1], bed.run().data(), bed.run().size()) < 0) _exit(1);
    close(report[1]);
    pause();
    _exit(1);
  }
  close(report[1]);
  char run[64] = {};
  ASSERT_GT(read(report[0], run, sizeof run - 1), 0);
  close(report[0]);
  const Traces traces(run);
  EXPECT_NE(traces.Left(), "");
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  EXPECT_TRUE(Eventually(milliseconds(10000), [&] {
    return traces.Left().empty();
  })) << traces.Left();
}

TEST(BedEnds, FailedRun_KeepsItsFilesAndNothingElse) {
  auto bed = std::make_unique<TestBed>();
  const std::string dir = bed->dir();
  Traces traces(bed->run());
  testing::internal::CaptureStderr();
  bed->KeepArtifacts();
  EXPECT_NE(testing::internal::GetCapturedStderr().find(dir),
            std::string::npos);
  bed.reset();
  EXPECT_EQ(traces.Left(), dir);
  traces.ForgiveFiles();
  EXPECT_EQ(traces.Left(), "");
  fs::remove_all(dir);
}

}  // namespace
}  // namespace ft::bed
