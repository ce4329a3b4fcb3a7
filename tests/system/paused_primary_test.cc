// SPDX-License-Identifier: GPL-2.0-or-later
//
// The paused primary: what stands still for longer than every timeout, and
// goes on after the backup went live, sends nothing any more and halts by
// itself. fencing/output_lease.h is why.
//
// In each story host A is stopped with outputs that wait for one thing only,
// an acknowledgement that is on its way: that is what the lease is for. To
// have some for sure B's ftd is stopped a moment before, and goes on a
// moment after.
#include <signal.h>

#include <thread>

#include "tests/system/bed_fixture.h"
#include "tests/system/frame_counter.h"

namespace ft::bed {
namespace {

// Less than a lease, and than any suspicion; many round trips.
constexpr milliseconds kMoment{30};
// Longer than every timeout: silence 500 ms, TCP 1 s, orphan 2 s.
constexpr milliseconds kLong{4000};
// Long enough for a failover; an engine without its ftd still runs.
constexpr milliseconds kShort{1500};
// Far from what gives an engine up.
constexpr milliseconds kMomentOfAnEngine{300};

class PausedPrimary : public BedTest {
 protected:
  void StartProtected() {
    bed().StartHosts();
    bed().StartVm(a());
    writer_ = bed().StartWriter(
        {.depth = 8, .probe = true, .reply_deadline = milliseconds(30000)});
    a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
    ASSERT_TRUE(writer_->WaitForMore(300, milliseconds(20000)));
  }

  // Stops of A what `stop` stops, with outputs that are held and will be
  // acknowledged.
  void Freeze(const std::function<void()>& stop) {
    writer_->MarkFault();
    b().SignalFtd(SIGSTOP);
    std::this_thread::sleep_for(kMoment);
    stop();
    b().SignalFtd(SIGCONT);
    std::this_thread::sleep_for(kMoment);
  }

  // B serves, and A has been still for `time`. From here on every frame
  // of the guest that comes from A is a stale one.
  void AwaitFailover(milliseconds time) {
    const auto end = Clock::now() + time;
    ASSERT_TRUE(writer_->WaitForMore(20, milliseconds(20000)))
        << "hostB does not serve";
    EXPECT_EQ(Field(b(), "role"), "primary");
    EXPECT_EQ(Field(b(), "epoch"), "2");
    stale_ = std::make_unique<FrameCounter>(bed().network(), Side::kA);
    std::this_thread::sleep_until(end);
  }

  // A has come back to itself, and its events say why it is no primary.
  void ExpectHaltedAndMute(const std::string& told = "held by hostB") {
    EXPECT_TRUE(Eventually(milliseconds(15000),
                           [this] {
                             return a().Engines().empty() &&
                                    Field(a(), "state") == "halted";
                           }))
        << Field(a(), "state") << ", " << a().Engines().size() << " engine(s)";
    EXPECT_EQ(Field(a(), "role"), "none");
    EXPECT_EQ(Field(a(), "reason"), "fenced");
    EXPECT_NE(Field(a(), "why").find("held by hostB"), std::string::npos)
        << Field(a(), "why");
    const std::string events = a().Ftctl({"events", kVm}).out;
    EXPECT_NE(events.find(told), std::string::npos) << events;
    EXPECT_EQ(stale_->Count(), 0) << "of them the first: " << stale_->first();
    EXPECT_EQ(bed().LiveSides(), 1);
    EXPECT_EQ(bed().Engines(), 1);
    EXPECT_TRUE(writer_->WaitForMore(50, milliseconds(20000)));
    ExpectFlawless();
  }

  void ExpectFlawless() {
    const WriterReport report = writer_->Finish();
    EXPECT_TRUE(report.connection_survived) << report.error;
    EXPECT_TRUE(report.read_back);
    EXPECT_EQ(report.lost_writes, 0u);
    EXPECT_EQ(report.wrong_values, 0u);
  }

  std::unique_ptr<WriterProcess> writer_;
  std::unique_ptr<FrameCounter> stale_;
};

// The counter sees what it is to see.
TEST_F(PausedPrimary, FramesOfALivePrimaryAreCounted) {
  bed().StartHosts();
  bed().StartVm(a());
  FrameCounter a_frames(bed().network(), Side::kA);
  FrameCounter b_frames(bed().network(), Side::kB);
  ASSERT_TRUE(bed().WaitForRedis(milliseconds(5000), kGuestAddress));
  EXPECT_GT(a_frames.Count(), 2);
  EXPECT_EQ(b_frames.Count(), 0);
}

// Its engine runs on, mute. The acknowledgements wait in ftd's socket; when
// it reads them they are too old.
TEST_F(PausedPrimary, FtdStops) {
  StartProtected();
  Freeze([this] { a().SignalFtd(SIGSTOP); });
  AwaitFailover(kShort);
  a().SignalFtd(SIGCONT);
  ExpectHaltedAndMute();
}

// As before, but its engine has paused the VM meanwhile.
TEST_F(PausedPrimary, FtdStopsUntilItsEnginePauses) {
  StartProtected();
  Freeze([this] { a().SignalFtd(SIGSTOP); });
  AwaitFailover(kLong);
  a().SignalFtd(SIGCONT);
  ExpectHaltedAndMute();
}

TEST_F(PausedPrimary, FtdAndEngineStop) {
  StartProtected();
  Freeze([this] {
    a().SignalFtd(SIGSTOP);
    a().SignalEngine(kVm, SIGSTOP);
  });
  AwaitFailover(kLong);
  a().SignalEngine(kVm, SIGCONT);
  a().SignalFtd(SIGCONT);
  ExpectHaltedAndMute();
}

// The acknowledgements have reached the engine's ring, and nobody is left to
// halt it: only the lease stands between it and the bridge.
TEST_F(PausedPrimary, EngineStopsAndFtdDies) {
  StartProtected();
  Freeze([this] { a().SignalEngine(kVm, SIGSTOP); });
  a().KillFtd();
  AwaitFailover(kLong);
  a().SignalEngine(kVm, SIGCONT);
  std::this_thread::sleep_for(milliseconds(3000));
  EXPECT_EQ(stale_->Count(), 0) << "of them the first: " << stale_->first();
  EXPECT_EQ(bed().LiveSides(), 1);
  a().StartFtd();
  ExpectHaltedAndMute();
}

// ftd lives, so hostB hears it and suspects nobody. A's ftd sees that its
// engine gives no sign of life, ends it and tells hostB. SIGCONT finds nobody.
TEST_F(PausedPrimary, EngineAloneStops_BackupGoesLive) {
  StartProtected();
  Freeze([this] { a().SignalEngine(kVm, SIGSTOP); });
  AwaitFailover(kLong);
  EXPECT_TRUE(a().Engines().empty());
  a().SignalEngine(kVm, SIGCONT);
  EXPECT_NE(Field(b(), "why").find("gave no sign of life for 2000 ms"),
            std::string::npos)
      << Field(b(), "why");
  EXPECT_EQ(Field(b(), "reason"), "host-failure");
  const std::string events = a().Ftctl({"events", kVm}).out;
  EXPECT_NE(events.find("gave no sign of life for 2000 ms"), std::string::npos)
      << events;
  ExpectHaltedAndMute("hostB may take over");
}

TEST_F(PausedPrimary, EngineAloneStopsForAMoment_StaysProtected) {
  StartProtected();
  for (int i = 0; i < 3; ++i) {
    Freeze([this] { a().SignalEngine(kVm, SIGSTOP); });
    std::this_thread::sleep_for(kMomentOfAnEngine);
    a().SignalEngine(kVm, SIGCONT);
    EXPECT_TRUE(writer_->WaitForMore(50, milliseconds(20000)));
  }
  EXPECT_EQ(Field(a(), "state"), "protected") << Field(a(), "why");
  EXPECT_EQ(Field(a(), "epoch"), "1");
  EXPECT_EQ(bed().LiveSides(), 1);
  ExpectFlawless();
}

// The backup's host gives it up and says so; the primary runs on, alone.
TEST_F(PausedPrimary, BackupsEngineAloneStops_PrimaryRunsOnAlone) {
  StartProtected();
  b().SignalEngine(kVm, SIGSTOP);
  EXPECT_TRUE(Eventually(milliseconds(6000), [this] {
    return Field(a(), "state") == "need-backup";
  })) << Field(a(), "why");
  EXPECT_EQ(Field(a(), "reason"), "host-failure");
  EXPECT_NE(Field(a(), "why").find("gave no sign of life for 2000 ms"),
            std::string::npos)
      << Field(a(), "why");
  EXPECT_EQ(Field(a(), "epoch"), "1");
  EXPECT_TRUE(writer_->WaitForMore(50, milliseconds(20000)));
  EXPECT_EQ(bed().LiveSides(), 1);
  EXPECT_EQ(bed().Engines(), 1);
  ExpectFlawless();
}

}  // namespace
}  // namespace ft::bed
