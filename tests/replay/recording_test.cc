// SPDX-License-Identifier: GPL-2.0-or-later
//
// A recording is enough to live a stretch of a VM's life again.
#include "replay/recording.h"

#include <gtest/gtest.h>

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
  pair.WaitUntil([] { return false; }, std::chrono::milliseconds(500));
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

TEST(Recording, ReplaysTwice) {
  EnginePair pair({.workload = "torture-tiny", .rounds = 5});
  ASSERT_TRUE(RecordTiny(pair));
  pair.KillPrimary();
  auto opened = Recording::Open(pair.recording().directory());
  ASSERT_TRUE(opened.ok()) << opened.status().ToString();
  ReplayOptions options = OptionsFor(pair);
  ExpectEqual(pair, pair.Await(CheckRecording(pair.io(), *opened, options)));
  options.one_instruction_per_block = LogWindow{
      .from = opened->marks()[0].position, .to = opened->marks()[1].position};
  ExpectEqual(pair, pair.Await(CheckRecording(pair.io(), *opened, options)));
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
