// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_window.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "logchannel/archived_log.h"
#include "logchannel/engine_ring_for_test.h"

namespace ft::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Logs of entries of two kinds: 'i' has 100 instructions, 's' a digest of the
// whole machine.
class LogWindowTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kFirst = 1000;
  static constexpr uint64_t kPlain = 4 + 1 + 4;
  static constexpr uint64_t kState = 4 + 1 + 3 * 4 + 1;

  void WriteLog(const std::string& entries) {
    logchannel::ArchivedLogHead head;
    head.set_first(kFirst);
    auto log = logchannel::ArchivedLogWriter::Create(path_, head);
    ASSERT_TRUE(log.ok()) << log.status().ToString();
    for (const char kind : entries) {
      const uint64_t bytes = kind == 's' ? kState : kPlain;
      std::vector<std::byte> entry(bytes);
      logchannel::EncodeEntryHeader(
          {.payload_bytes = static_cast<uint32_t>(bytes) - 4},
          std::span(entry).first<logchannel::kEntryHeaderBytes>());
      entry[4] = std::byte{kind == 's' ? uint8_t{29} : uint8_t{0}};
      if (kind == 'i') entry[8] = std::byte{100};
      ASSERT_TRUE((*log)->Append(entry).ok());
    }
    ASSERT_TRUE((*log)->Finish().ok());
  }

  logchannel::RingDirectoryForTest directory_;
  const std::string path_ = directory_.ring_path("log") + ".ftlog";
};

TEST_F(LogWindowTest, AWindowIsOfInstructions) {
  WriteLog("iiiiiiiiii");
  auto window = WindowOf(path_, 0.5, 200);
  ASSERT_TRUE(window.ok()) << window.status().ToString();
  EXPECT_EQ(window->from, kFirst + 5 * kPlain);
  EXPECT_EQ(window->to, kFirst + 7 * kPlain);
  window = WindowOf(path_, 0, 1'000'000);
  EXPECT_EQ(window->from, kFirst);
  EXPECT_EQ(window->to, kFirst + 10 * kPlain);
}

TEST_F(LogWindowTest, EntriesAreFoundByTheirEnds) {
  WriteLog("iiiiiiiiii");
  auto entry = EntryEndingAt(path_, kFirst + 3 * kPlain);
  ASSERT_TRUE(entry.ok()) << entry.status().ToString();
  EXPECT_EQ(entry->entries, 1);
  EXPECT_EQ(entry->position, kFirst + 2 * kPlain);
  EXPECT_EQ(entry->end, kFirst + 3 * kPlain);
  EXPECT_EQ(entry->instruction, 200u);
  EXPECT_THAT(entry->events, ElementsAre("instruction: 100 more"));
  EXPECT_EQ(EntryEndingAt(path_, kFirst + 3 * kPlain + 1)->end,
            kFirst + 4 * kPlain);
  EXPECT_EQ(EntryEndingAt(path_, kFirst + 1)->position, kFirst);
  EXPECT_THAT(*EntryEnds(path_, kFirst + 2 * kPlain, kFirst + 4 * kPlain),
              ElementsAre(kFirst + 3 * kPlain, kFirst + 4 * kPlain));
}

TEST_F(LogWindowTest, NoEntryEndsWhereThereIsNoLog) {
  WriteLog("ii");
  for (const uint64_t end : {uint64_t{0}, kFirst, kFirst + 2 * kPlain + 1}) {
    const auto entry = EntryEndingAt(path_, end);
    ASSERT_FALSE(entry.ok()) << end;
    EXPECT_THAT(entry.status().message(),
                HasSubstr("no entry at position " + std::to_string(end)));
  }
}

// The engine has read into the event behind the digest when it compares.
TEST_F(LogWindowTest, ADigestThatDiffersNamesTheEntriesSinceTheOneBefore) {
  WriteLog("issiisi");
  const uint64_t second = kFirst + kPlain + kState;
  for (uint64_t noticed : {second + kState, second + kState + 5}) {
    auto since = EntriesSinceState(path_, noticed, true);
    ASSERT_TRUE(since.ok()) << since.status().ToString();
    EXPECT_EQ(since->entries, 1);
    EXPECT_EQ(since->position, second);
    EXPECT_EQ(since->end, second + kState);
    EXPECT_EQ(since->instruction, 100u);
    EXPECT_THAT(since->events, SizeIs(1));
  }
  // Two entries without one before the third digest.
  const uint64_t after = second + 2 * kState + 2 * kPlain;
  auto since = EntriesSinceState(path_, after + 5, true);
  ASSERT_TRUE(since.ok()) << since.status().ToString();
  EXPECT_EQ(since->entries, 3);
  EXPECT_EQ(since->position, second + kState);
  EXPECT_EQ(since->end, after);
  EXPECT_THAT(since->events,
              ElementsAre("instruction: 100 more", "instruction: 100 more",
                          HasSubstr("state: ")));
}

// Something else did not fit; the last digest was equal.
TEST_F(LogWindowTest, ADifferenceBehindADigestIsInTheEntriesSinceIt) {
  WriteLog("isii");
  const uint64_t behind = kFirst + kPlain + kState;
  auto since = EntriesSinceState(path_, behind + kPlain + 5, false);
  ASSERT_TRUE(since.ok()) << since.status().ToString();
  EXPECT_EQ(since->entries, 2);
  EXPECT_EQ(since->position, behind);
  EXPECT_EQ(since->end, behind + 2 * kPlain);
  EXPECT_FALSE(EntriesSinceState(path_, behind, false).ok());
}

// It may differ as soon as the first one.
TEST_F(LogWindowTest, TheLogsBeginningCountsAsADigest) {
  WriteLog("iisi");
  auto since = EntriesSinceState(path_, kFirst + 2 * kPlain + kState + 5, true);
  ASSERT_TRUE(since.ok()) << since.status().ToString();
  EXPECT_EQ(since->entries, 3);
  EXPECT_EQ(since->position, kFirst);
}

TEST_F(LogWindowTest, WithoutADigestNoEntryIsNamed) {
  WriteLog("isi");
  EXPECT_FALSE(EntriesSinceState(path_, kFirst + kPlain, true).ok());
  EXPECT_FALSE(EntriesSinceState(path_, kFirst + kPlain, false).ok());
  WriteLog("ii");
  const auto none = EntriesSinceState(path_, kFirst + 2 * kPlain, true);
  ASSERT_FALSE(none.ok());
  EXPECT_THAT(none.status().message(), HasSubstr("no digests"));
}

}  // namespace
}  // namespace ft::replay
