// SPDX-License-Identifier: GPL-2.0-or-later
//
// A recording is enough to live a stretch of a VM's life again.
#include "replay/recording.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "replay/busy_process.h"
#include "replay/log_bisect.h"
#include "replay/log_replay.h"
#include "tests/replay/engine_pair.h"
#include "tests/replay/guest_memory.h"

namespace ft::replay {
namespace {

ReplayOptions OptionsFor(EnginePair& pair) {
  return {.work_dir = pair.evidence() + "/replays",
          .ring_dir = pair.ring_directory()};
}

// Of the mixed load, with two marks.
bool RecordTiny(EnginePair& pair) {
  if (!pair.StartPrimary() ||
      !pair.WaitForConsole(Side::kPrimary, "FT-GUEST-READY") ||
      !pair.Record()) {
    return false;
  }
  pair.Run(std::chrono::milliseconds(500));
  if (!pair.CompareHere()) return false;
  return pair.WaitForConsole(Side::kPrimary, "FT-GUEST-DONE") &&
         pair.EndRecording();
}

void ExpectEqual(EnginePair& pair, const Result<ReplayReport>& report) {
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_FALSE(report->difference)
      << "expected " << report->difference->expected << ", got "
      << report->difference->got;
  EXPECT_EQ(report->marks, 2);
  EXPECT_TRUE(pair.Console(Side::kPrimary).ends_with(report->console));
  EXPECT_NE(report->console, "");
}

// With a serial port that can be written to: a replay needs one as well.
TEST(Recording, ReplaysTwice) {
  EnginePair pair(
      {.workload = "torture-tiny", .rounds = 2, .serial_input = true});
  ASSERT_TRUE(RecordTiny(pair));
  pair.KillPrimary();
  auto opened = Recording::Open(pair.recording().directory());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  ReplayOptions options = OptionsFor(pair);
  ExpectEqual(pair, pair.Await(CheckRecording(pair.io(), *opened, options)));
  const auto window = WindowOf(opened->log_path(), 0.3, 1'000'000);
  ASSERT_TRUE(window.ok()) << window.status().ToString();
  options.one_instruction_per_block = *window;
  ExpectEqual(pair, pair.Await(CheckRecording(pair.io(), *opened, options)));
}

// A recording that was not made by the machine that it says: no replay can be
// right, and only the stretch can be named.
TEST(Recording, OneThatNoReplayMatchesIsCalledThat) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 1});
  ASSERT_TRUE(RecordTiny(pair));
  pair.KillPrimary();
  const std::string directory = pair.recording().directory();
  const MachineDigest first = pair.recording().marks()[0];
  MachineDigest wrong = pair.recording().marks()[1];
  wrong.ram.back() = wrong.ram.back() == '0' ? '1' : '0';
  std::filesystem::remove(pair.recording().marks_path());
  Recording writer = pair.recording();
  ASSERT_TRUE(writer.AddMark(first).ok());
  ASSERT_TRUE(writer.AddMark(wrong).ok());
  auto spoilt = Recording::Open(directory);
  ASSERT_TRUE(spoilt.ok()) << spoilt.status().ToString();
  auto report = pair.Await(
      BisectRecording(pair.io(), *spoilt, {.suspect = OptionsFor(pair)}));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  ASSERT_TRUE(report->noticed);
  EXPECT_EQ(report->noticed->last_equal, first.position);
  EXPECT_EQ(report->noticed->position, wrong.position);
  EXPECT_FALSE(report->entry);
  EXPECT_NE(report->verdict.find("every replay differs"), std::string::npos);

  // Half a snapshot is none, and says so.
  std::filesystem::resize_file(
      spoilt->snapshot_path(),
      std::filesystem::file_size(spoilt->snapshot_path()) / 2);
  auto half = pair.Await(CheckRecording(pair.io(), *spoilt, OptionsFor(pair)));
  ASSERT_FALSE(half.ok());
  EXPECT_NE(half.status().message().find("cannot be loaded: the engine"),
            std::string::npos)
      << half.status().ToString();
}

// A cosmic ray in the middle of a replay: the finder names the entry behind
// which it came, and the byte.
TEST(Recording, AFlippedBitIsFoundByBisection) {
  constexpr uint64_t kAddress = (12u << 20) + 0x123;
  EnginePair pair({.workload = "torture-tiny", .rounds = 5});
  ASSERT_TRUE(RecordTiny(pair));
  pair.KillPrimary();
  const Recording& recording = pair.recording();
  const uint64_t from = recording.marks()[0].position;
  auto ends = EntryEnds(recording.log_path(), from, UINT64_MAX);
  ASSERT_TRUE(ends.ok()) << ends.status().ToString();
  const uint64_t at = (*ends)[ends->size() / 3];
  BisectOptions options = {.suspect = OptionsFor(pair)};
  options.suspect.tampering = {.at = at, .act = [](Engine& engine) {
                                 return FlipGuestBit(engine.process().pid(),
                                                     PairOptions().memory_mib,
                                                     kAddress);
                               }};
  options.progress = [](const std::string& what) {
    std::printf("bisect: %s\n", what.c_str());
  };
  auto report =
      pair.Await(BisectRecording(pair.io(), recording, std::move(options)));
  ASSERT_TRUE(report.ok()) << report.status().ToString();
  EXPECT_EQ(report->marks, 1);
  ASSERT_TRUE(report->noticed);
  EXPECT_EQ(report->noticed->last_equal, from);
  ASSERT_TRUE(report->entry) << report->verdict;
  EXPECT_EQ(report->entry->end, at);
  EXPECT_FALSE(report->entry->events.empty());
  EXPECT_NE(report->expected, report->got);
  ASSERT_EQ(report->details.size(), 1u);
  EXPECT_NE(report->details[0].find("1 bytes differ, the first at 0xc00123"),
            std::string::npos)
      << report->details[0];
}

}  // namespace
}  // namespace ft::replay
