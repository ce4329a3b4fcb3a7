// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/archive_ring.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "logchannel/archived_log.h"
#include "logchannel/engine_ring_for_test.h"

namespace ft::host {
namespace {

using logchannel::ArchivedLogReader;
using ::testing::HasSubstr;

constexpr uint64_t kClone = 1000;

class ArchiveRingTest : public ::testing::Test {
 protected:
  ArchiveRingTest() {
    auto ring = logchannel::LogRing::Attach(engine_->path());
    EXPECT_TRUE(ring.ok()) << ring.status().ToString();
    ring_ = std::move(*ring);
  }

  // One entry, which the engine executes at once or not; returns its end.
  uint64_t Feed(size_t payload_bytes, bool consume) {
    std::vector<std::byte> entry(logchannel::kEntryHeaderBytes);
    logchannel::EncodeEntryHeader(
        {.payload_bytes = static_cast<uint32_t>(payload_bytes)},
        std::span(entry).first<logchannel::kEntryHeaderBytes>());
    const auto payload = logchannel::PayloadForTest(1, payload_bytes);
    entry.insert(entry.end(), payload.begin(), payload.end());
    const auto appended = ring_->AppendEntries(ring_->committed(), entry);
    EXPECT_TRUE(appended.ok() && *appended);
    if (consume) engine_->Consume();
    return ring_->committed();
  }

  Status Keep(uint64_t first) {
    return ArchiveRing(
        engine_->path(), "vm1",
        {.epoch = 3, .clone = kClone, .first = first, .why = "d"}, path_);
  }

  // The position at which the kept log ends; it is whole.
  uint64_t ReadKept(uint64_t first) {
    auto reader = ArchivedLogReader::Open(path_);
    EXPECT_TRUE(reader.ok()) << reader.status().ToString();
    if (!reader.ok()) return 0;
    EXPECT_EQ((*reader)->head().first(), first);
    EXPECT_EQ((*reader)->head().clone(), kClone);
    EXPECT_EQ((*reader)->head().epoch(), 3u);
    EXPECT_EQ((*reader)->head().engine_build(), "test-build");
    while ((*reader)->Next()) {
    }
    EXPECT_TRUE((*reader)->status().ok()) << (*reader)->status().ToString();
    return (*reader)->position();
  }

  logchannel::RingDirectoryForTest directory_;
  std::unique_ptr<logchannel::EngineRingForTest> engine_ =
      logchannel::EngineRingForTest::Create(
          {.path = directory_.ring_path("vm1"),
           .data_size = 8192,
           .direction = logchannel::Direction::kReplay,
           .position = kClone});
  std::unique_ptr<logchannel::LogRing> ring_;
  const std::string path_ = directory_.ring_path("kept") + ".ftlog";
};

TEST_F(ArchiveRingTest, KeepsAllSinceTheCloneExecutedOrNot) {
  Feed(100, true);
  Feed(200, true);
  const uint64_t end = Feed(300, false);
  const Status kept = Keep(kClone);
  ASSERT_TRUE(kept.ok()) << kept.ToString();
  EXPECT_EQ(ReadKept(kClone), end);
}

TEST_F(ArchiveRingTest, KeepsWhatTheRingStillHas) {
  uint64_t early = 0, late = 0;
  for (int i = 0; i < 20; ++i) {
    const uint64_t end = Feed(1000, true);
    if (i == 5) early = end;
    if (i == 15) late = end;
  }
  const uint64_t end = Feed(500, false);
  const Status overwritten = Keep(early);
  EXPECT_THAT(overwritten.message(), HasSubstr("cannot keep the log"));
  EXPECT_FALSE(std::filesystem::exists(path_));
  const Status kept = Keep(late);
  ASSERT_TRUE(kept.ok()) << kept.ToString();
  EXPECT_EQ(ReadKept(late), end);
}

// Memory that was written over by somebody is told, and stops nobody.
TEST_F(ArchiveRingTest, ABrokenRingIsRefusedAndTheOldFileStays) {
  Feed(100, true);
  ASSERT_TRUE(Keep(kClone).ok());
  const uint64_t at = Feed(100, true) - 104;
  engine_->data(at) = std::byte{99};
  EXPECT_THAT(Keep(kClone).message(), HasSubstr("unknown kind 99"));
  EXPECT_EQ(ReadKept(kClone), at);
}

}  // namespace
}  // namespace ft::host
