// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/recording.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "logchannel/engine_ring_for_test.h"
#include "replay/log_window.h"
#include "replay/machine_difference.h"

namespace ft::replay {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RecordingTest : public ::testing::Test {
 protected:
  RecordingTest() { fs::create_directory(path_); }

  Recording MakeOne() {
    VmDefinition vm = {.name = "vm1",
                       .uuid = UuidFromName("vm1"),
                       .memory_mib = 256,
                       .kernel = "/boot/vmlinuz",
                       .initrd = "",
                       .cmdline = "a \"b\" c",
                       .nics = {{.mac = "52:54:00:12:34:56", .bridge = "br0"}},
                       .kernel_sha256 = "abc",
                       .initrd_sha256 = ""};
    Recording recording(path_, "/opt/engine", "/opt/share", vm);
    EXPECT_TRUE(recording.WriteCommand().ok());
    std::ofstream(recording.snapshot_path()) << "a machine";
    std::ofstream(recording.log_path()) << "a log";
    return recording;
  }

  logchannel::RingDirectoryForTest directory_;
  const std::string path_ = directory_.ring_path("recording");
};

TEST_F(RecordingTest, IsReadAsItWasWritten) {
  Recording made = MakeOne();
  const MachineDigest mark = {.icount = 5,
                              .position = 7,
                              .ram = "00ff",
                              .cpu = "1234",
                              .devices = "serial, instance 0=00aa"};
  ASSERT_TRUE(made.AddMark(mark).ok());
  auto read = Recording::Open(path_);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->vm(), made.vm());
  EXPECT_EQ(read->engine(), "/opt/engine");
  EXPECT_EQ(read->share_dir(), "/opt/share");
  EXPECT_THAT(read->marks(), ElementsAre(mark));
}

TEST_F(RecordingTest, WhatIsMissingIsNamed) {
  for (const char* name : {"snapshot", "log.ftlog", "command.json", "marks"}) {
    MakeOne();
    fs::remove(fs::path(path_) / name);
    const auto read = Recording::Open(path_);
    ASSERT_FALSE(read.ok());
    EXPECT_THAT(read.status().message(),
                HasSubstr(std::string("it has no ") + name));
  }
}

TEST_F(RecordingTest, WhatIsSpoiltIsNamed) {
  const Recording made = MakeOne();
  std::ofstream(made.marks_path()) << "{\"position\": 1}\n";
  EXPECT_THAT(Recording::Open(path_).status().message(),
              HasSubstr(made.marks_path()));
  std::ofstream(made.command_path()) << "[]";
  EXPECT_THAT(Recording::Open(path_).status().message(),
              HasSubstr(made.command_path()));
}

// Ten entries of 100 instructions, five bytes each and a header of four.
class LogWindowTest : public RecordingTest {
 protected:
  static constexpr uint64_t kEntry = 9;

  LogWindowTest() {
    auto log = logchannel::ArchivedLogWriter::Create(log_path_, {});
    EXPECT_TRUE(log.ok());
    for (int i = 0; i < 10; ++i) {
      std::vector<std::byte> entry(kEntry);
      logchannel::EncodeEntryHeader(
          {.payload_bytes = 5},
          std::span(entry).first<logchannel::kEntryHeaderBytes>());
      entry.back() = std::byte{100};
      EXPECT_TRUE((*log)->Append(entry).ok());
    }
    EXPECT_TRUE((*log)->Finish().ok());
  }
  const std::string log_path_ = path_ + "/log.ftlog";
};

TEST_F(LogWindowTest, AWindowIsOfInstructions) {
  auto window = WindowOf(log_path_, 0.5, 200);
  ASSERT_TRUE(window.ok()) << window.status().ToString();
  EXPECT_EQ(window->from, 5 * kEntry);
  EXPECT_EQ(window->to, 7 * kEntry);
  window = WindowOf(log_path_, 0, 1'000'000);
  EXPECT_EQ(window->from, 0u);
  EXPECT_EQ(window->to, 10 * kEntry);
}

TEST_F(LogWindowTest, EntriesAreFoundByTheirEnds) {
  auto entry = EntryEndingAt(log_path_, 3 * kEntry);
  ASSERT_TRUE(entry.ok()) << entry.status().ToString();
  EXPECT_EQ(entry->position, 2 * kEntry);
  EXPECT_EQ(entry->instruction, 200u);
  EXPECT_THAT(entry->events, ElementsAre("instruction: 100 more"));
  EXPECT_EQ(EntryEndingAt(log_path_, 3 * kEntry + 1)->end, 4 * kEntry);
  EXPECT_FALSE(EntryEndingAt(log_path_, 10 * kEntry + 1).ok());
  EXPECT_THAT(*EntryEnds(log_path_, 2 * kEntry, 4 * kEntry),
              ElementsAre(3 * kEntry, 4 * kEntry));
}

// Digests of the whole machine in the second and the third of four entries.
TEST_F(RecordingTest, TheLastStateBeforeAPosition) {
  constexpr uint64_t kState = 1 + 4 * 4 + 1, kEntry = 4 + kState;
  logchannel::ArchivedLogHead head;
  head.set_ring_version(3);
  const std::string path = path_ + "/states.ftlog";
  auto log = logchannel::ArchivedLogWriter::Create(path, head);
  ASSERT_TRUE(log.ok());
  for (int kind : {0, 29, 29, 0}) {
    const uint32_t bytes = kind == 29 ? kState : 5;
    std::vector<std::byte> entry(4 + bytes);
    logchannel::EncodeEntryHeader(
        {.payload_bytes = bytes},
        std::span(entry).first<logchannel::kEntryHeaderBytes>());
    entry[4] = static_cast<std::byte>(kind);
    ASSERT_TRUE((*log)->Append(entry).ok());
  }
  ASSERT_TRUE((*log)->Finish().ok());
  EXPECT_FALSE(LastStateBefore(path, 9).ok());
  // The engine has read into the next entry when it compares.
  for (uint64_t noticed : {9 + kEntry, 9 + kEntry + 5}) {
    auto state = LastStateBefore(path, noticed);
    ASSERT_TRUE(state.ok()) << state.status().ToString();
    EXPECT_EQ(state->entry.position, 9u);
    EXPECT_EQ(state->previous, 0u);
  }
  auto state = LastStateBefore(path, 9 + 2 * kEntry + 5);
  ASSERT_TRUE(state.ok()) << state.status().ToString();
  EXPECT_EQ(state->entry.position, 9 + kEntry);
  EXPECT_EQ(state->previous, state->entry.position);
}

TEST(MachineDifference, RegistersLineByLine) {
  EXPECT_THAT(DifferentLines("A=1 B=2\r\nC=3\r\n", "A=1 B=2\r\nC=4\r\n"),
              ElementsAre("registers: C=4, not C=3"));
  EXPECT_THAT(DifferentLines("A", "A"), ElementsAre());
}

TEST_F(RecordingTest, RamPageByPage) {
  const std::string one(5 * 4096, 'a');
  std::string other = one;
  other[4096 + 16] = 'b';
  other[4096 + 20] = 'b';
  std::ofstream(path_ + "/one", std::ios::binary) << one;
  std::ofstream(path_ + "/other", std::ios::binary) << other;
  EXPECT_THAT(DifferentPages(path_ + "/one", path_ + "/other"),
              ElementsAre("RAM page 0x1: 2 bytes differ, the first at 0x1010: "
                          "62, not 61"));
  other.assign(other.size(), 'c');
  std::ofstream(path_ + "/other", std::ios::binary) << other;
  EXPECT_EQ(DifferentPages(path_ + "/one", path_ + "/other").size(), 5u);
}

}  // namespace
}  // namespace ft::replay
