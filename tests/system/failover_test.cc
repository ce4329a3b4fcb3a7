// SPDX-License-Identifier: GPL-2.0-or-later
//
// The promises of Lockstep, kept under real faults: a real guest with a real
// Redis, one client on one connection, and a host that dies in each of the
// ways a host can die.
#include <signal.h>

#include <thread>

#include "tests/replay/guest_memory.h"
#include "tests/system/bed_fixture.h"
#include "tests/system/failover_story.h"

namespace ft::bed {
namespace {

class Failover : public BedTest {
 protected:
  // Bed, VM, load, protection, fault, service again, survivor's return.
  StoryResult Tell(Fault fault) {
    StoryOptions options;
    options.fault = fault;
    options.before = milliseconds(1500);
    options.after = milliseconds(1000);
    options.writes_min = 200;
    options.protect_within = kProtectedWithin;
    StoryResult result = TellFailover(bed(), options);
    for (const std::string& line : result.broken) ADD_FAILURE() << line;
    return result;
  }

  // The first half of the story alone: vm1 on A, protected by B, under load.
  std::unique_ptr<WriterProcess> StartProtected() {
    bed().StartHosts();
    bed().StartVm(a());
    auto writer = bed().StartWriter({.reply_deadline = milliseconds(20000)});
    a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
    if (!writer->WaitForMore(300, milliseconds(10000))) {
      throw BedError("no writes under protection");
    }
    return writer;
  }

  static void ExpectFlawless(WriterProcess& writer) {
    const WriterReport report = writer.Finish();
    EXPECT_TRUE(report.connection_survived) << report.error;
    EXPECT_TRUE(report.read_back);
    EXPECT_EQ(report.lost_writes, 0u);
    EXPECT_EQ(report.wrong_values, 0u);
  }
};

TEST_F(Failover, EngineKilled_BackupGoesLive) { Tell(Fault::kEngine); }

// The engine of A outlives its ftd, holds its outputs, and is ended by the
// next ftd, which finds that the test-and-set went to hostB.
TEST_F(Failover, FtdKilled_BackupGoesLive) {
  Tell(Fault::kFtd);
  EXPECT_EQ(Field(a(), "reason"), "fenced");
}

TEST_F(Failover, HostKilled_BackupGoesLive) { Tell(Fault::kHost); }

// Nothing of A dies, but nobody hears it: it must not contend (it could
// serve nobody), and must let go when it hears who won.
TEST_F(Failover, HostLinkCut_BackupGoesLive) {
  Tell(Fault::kLink);
  EXPECT_EQ(Field(a(), "reason"), "fenced");
}

TEST_F(Failover, Planned_BackupGoesLive) { Tell(Fault::kPlanned); }

// Story: the backup's host dies. The primary wins the test-and-set, so that
// the dead host can never come back as a second live side, and goes on.
TEST_F(Failover, BackupKilled_PrimaryContinues) {
  auto writer = StartProtected();
  writer->MarkFault();
  b().KillBoth(kVm);
  ASSERT_TRUE(writer->WaitForMore(300, milliseconds(20000)));
  EXPECT_TRUE(Eventually(milliseconds(5000), [&] {
    return Field(a(), "state") == "need-backup";
  })) << Field(a(), "state");
  EXPECT_EQ(Field(a(), "role"), "primary");
  EXPECT_EQ(Field(a(), "epoch"), "2");
  EXPECT_NE(Field(a(), "why"), "");
  EXPECT_EQ(bed().LiveSides(), 1);
  EXPECT_EQ(bed().Engines(), 1);
  ExpectFlawless(*writer);
}

// Story: a bit of the backup's memory flips. The digests in the log find it;
// such a backup never takes over, its log is kept, and its host gets a fresh
// clone while the VM serves.
TEST_F(Failover, DivergedBackup_IsClonedAnew) {
  auto writer = StartProtected();
  const auto engines = b().Engines();
  ASSERT_EQ(engines.size(), 1u);
  const Status flipped = replay::FlipGuestBit(
      engines.front().pid, StoryOptions().memory_mib, 40u << 20);
  ASSERT_TRUE(flipped.ok()) << flipped.ToString();
  const auto events = [](Host& host) {
    return host.Ftctl({"events", kVm}).out;
  };
  EXPECT_TRUE(Eventually(milliseconds(60000), [&] {
    return events(b()).find("of RAM from") != std::string::npos;
  })) << events(b());
  EXPECT_TRUE(Eventually(milliseconds(40000), [&] {
    return events(a()).find("cloning anew to hostB") != std::string::npos &&
           Field(a(), "state") == "protected";
  })) << events(a());
  const size_t kept = events(b()).find("divergence is kept in");
  ASSERT_NE(kept, std::string::npos);
  EXPECT_NE(events(b()).find("divergence.ftlog", kept), std::string::npos);
  EXPECT_TRUE(writer->WaitForMore(300, milliseconds(20000)));
  EXPECT_EQ(bed().LiveSides(), 1);
  ExpectFlawless(*writer);
}

// Story: packets wait when a clone is taken and are its first input, while the
// guest's driver polls and wants no interrupt. A clone that did not know what
// its virtqueues had signalled raised one; every fifth was given up here.
TEST_F(Failover, ClonedUnderAFlood_HasItsPrimarysDevices) {
  constexpr int kClones = 16;
  bed().StartHosts();
  bed().StartVm(a());
  ChildProcess flood({.argv = Network::Inside(
                          bed().network().ClientNamespace(),
                          {"ping", "-q", "-f", "-l", "32", kGuestAddress})});
  for (int clone = 0; clone < kClones; ++clone) {
    a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
    a().FtctlOrThrow({"disable", kVm});
    ASSERT_TRUE(Eventually(milliseconds(5000),
                           [&] { return b().Engines().empty(); }));
  }
  EXPECT_TRUE(flood.running());
  const std::string events = a().Ftctl({"events", kVm}).out;
  EXPECT_EQ(events.find("divergence"), std::string::npos) << events;
}

// Story: both sides live and serve their ends of the wire, but cannot hear
// each other. Exactly one may go on, and each must say which and why.
TEST_F(Failover, LogLinkCut_ExactlyOneSideLives) {
  auto writer = StartProtected();
  writer->MarkFault();
  bed().CutLogLink();
  std::this_thread::sleep_for(milliseconds(3000));
  EXPECT_EQ(bed().Engines(), 1);
  EXPECT_EQ(bed().LiveSides(), 1);
  const bool a_won = a().Engines().size() == 1;
  Host& winner = a_won ? a() : b();
  Host& loser = a_won ? b() : a();
  EXPECT_EQ(Field(winner, "role"), "primary");
  EXPECT_EQ(Field(winner, "state"), "need-backup");
  EXPECT_EQ(Field(winner, "epoch"), "2");
  EXPECT_NE(Field(winner, "why"), "");
  EXPECT_EQ(Field(loser, "role"), "none");
  EXPECT_EQ(Field(loser, "state"), "halted");
  EXPECT_EQ(Field(loser, "reason"), "fenced");
  EXPECT_NE(Field(loser, "why").find(winner.name()), std::string::npos)
      << Field(loser, "why");
  EXPECT_TRUE(writer->WaitForMore(300, milliseconds(10000)));
  ExpectFlawless(*writer);
}

// Story: the demo is interrupted in the middle of everything: two engines,
// two ftds, a writer. Nobody is left to clean up, and yet all of it goes.
TEST(NothingLeftBehind, InterruptedDemo) {
  ChildProcess demo(
      {.argv = {SiblingProgram("lockstep_demo"), "--seconds", "60"},
       .talk = true});
  const std::string pid = std::to_string(demo.pid());
  std::string line;
  while (line.find("protected") == std::string::npos) {
    const auto next = demo.ReadLine(kProtectedWithin);
    ASSERT_TRUE(next.has_value()) << "the demo ended after: " << line;
    line = *next;
  }
  const Traces traces("ls" + pid);
  EXPECT_NE(traces.Left(), "");
  demo.Signal(SIGINT);
  ASSERT_TRUE(demo.WaitFor(milliseconds(10000)));
  EXPECT_TRUE(Eventually(milliseconds(10000), [&] {
    return traces.Left().empty();
  })) << traces.Left();
}

TEST(NothingLeftBehind, EndedBed) {
  auto bed = std::make_unique<TestBed>();
  const Traces traces(bed->run());
  bed->StartHosts();
  bed->StartVm(bed->a());
  bed->a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
  EXPECT_EQ(bed->Engines(), 2);
  bed.reset();
  EXPECT_EQ(traces.Left(), "");
}

}  // namespace
}  // namespace ft::bed
