// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/recording.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "logchannel/engine_ring_for_test.h"
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
                              .devices = "apic, instance 0=0123abcd"};
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
