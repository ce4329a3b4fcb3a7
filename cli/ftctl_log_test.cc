// SPDX-License-Identifier: GPL-2.0-or-later
//
// ftctl log: local verbs, no ftd anywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <fstream>

#include "cli/ftd_for_test.h"
#include "logchannel/archived_log.h"

namespace ft::cli {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kFirst = 500;

class FtctlLogTest : public ::testing::Test {
 protected:
  FtctlLogTest() {
    logchannel::ArchivedLogHead head;
    head.set_vm("vm1");
    head.set_first(kFirst);
    head.set_clone(kFirst);
    head.set_why("a test");
    auto writer = logchannel::ArchivedLogWriter::Create(path_, head);
    EXPECT_TRUE(writer.ok()) << writer.status().ToString();
    writer_ = std::move(*writer);
  }

  static Bytes Numbers(std::initializer_list<int> numbers) {
    Bytes bytes;
    for (int number : numbers) bytes.push_back(static_cast<std::byte>(number));
    return bytes;
  }
  // 1000 instructions and an interrupt.
  void AddInterrupt() { Append(Numbers({0, 0, 0, 3, 0xe8, 1}), 1'000'000); }
  // A packet of 60 bytes.
  void AddPacket() {
    Bytes payload = Numbers({9, 0, 0, 0, 0, 0, 0, 0, 0, 60});
    payload.resize(payload.size() + 60, std::byte{0xab});
    Append(payload, 2'000'000);
  }
  void Append(const Bytes& payload, int64_t time_us) {
    Bytes entry(logchannel::kEntryHeaderBytes);
    logchannel::EncodeEntryHeader(
        {.payload_bytes = static_cast<uint32_t>(payload.size())},
        std::span(entry).first<logchannel::kEntryHeaderBytes>());
    entry.insert(entry.end(), payload.begin(), payload.end());
    ASSERT_TRUE(writer_->Append(entry, time_us).ok());
  }
  void WriteUsualLog() {
    AddInterrupt();
    AddPacket();
    ASSERT_TRUE(writer_->Finish().ok());
  }

  Finished Log(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "log");
    return ftd_.Ftctl(std::move(arguments));
  }

  FtdForTest ftd_;
  const std::string path_ = ftd_.dir() / "vm1.ftlog";
  std::unique_ptr<logchannel::ArchivedLogWriter> writer_;
};

TEST_F(FtctlLogTest, CheckOfAWholeLog) {
  WriteUsualLog();
  const Finished check = Log({"check", path_});
  EXPECT_EQ(check.exit_code, 0) << check.err;
  EXPECT_EQ(check.out, path_ +
                           " is whole: 2 entries with 3 events, positions 500 "
                           "to 584, 1000 instructions\n");
  const auto report = json::parse(Log({"check", path_, "--json"}).out);
  EXPECT_EQ(report.at("vm"), "vm1");
  EXPECT_EQ(report.at("whole"), true);
  EXPECT_TRUE(report.at("damage").is_null());
}

TEST_F(FtctlLogTest, CheckNamesDamageInOneLine) {
  WriteUsualLog();
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 25);
  const Finished check = Log({"check", path_});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_EQ(check.out, "");
  EXPECT_EQ(std::ranges::count(check.err, '\n'), 1) << check.err;
  EXPECT_THAT(check.err, HasSubstr("is damaged at offset"));
  const auto report = json::parse(Log({"check", path_, "--json"}).out);
  EXPECT_EQ(report.at("whole"), false);
  EXPECT_EQ(report.at("damage").at("position"), kFirst);
}

// Well framed, but not what an engine writes.
TEST_F(FtctlLogTest, CheckNamesWhatCannotBeDecoded) {
  AddInterrupt();
  Append(Numbers({200}), 0);
  ASSERT_TRUE(writer_->Finish().ok());
  const Finished check = Log({"check", path_});
  EXPECT_EQ(check.exit_code, 1);
  EXPECT_THAT(check.err, HasSubstr("unknown event 200 at position 514"));
}

TEST_F(FtctlLogTest, DumpPrintsAnEventALine) {
  WriteUsualLog();
  const Finished dump = Log({"dump", path_});
  EXPECT_EQ(dump.exit_code, 0) << dump.err;
  EXPECT_EQ(std::ranges::count(dump.out, '\n'), 4);
  EXPECT_THAT(dump.out,
              HasSubstr("504              0  instruction: 1000 more"));
  EXPECT_THAT(dump.out,
              HasSubstr("514           1000  net: 60 bytes on NIC 0"));
}

TEST_F(FtctlLogTest, DumpOfAPart) {
  WriteUsualLog();
  const Finished part =
      Log({"dump", path_, "--from", "509", "--to", "514", "--json"});
  EXPECT_EQ(std::ranges::count(part.out, '\n'), 1) << part.out;
  EXPECT_EQ(json::parse(part.out).at("kind"), "interrupt");
  EXPECT_THAT(Log({"dump", path_, "--from", "514", "--hex"}).out,
              HasSubstr("ababab"));
}

TEST_F(FtctlLogTest, StatAddsUp) {
  WriteUsualLog();
  const auto report = json::parse(Log({"stat", path_, "--json"}).out);
  EXPECT_EQ(report.at("bytes"), 84);
  EXPECT_EQ(report.at("header_bytes"), 8);
  EXPECT_EQ(report.at("net_bytes"), 60);
  EXPECT_EQ(report.at("instructions"), 1000);
  EXPECT_EQ(report.at("kinds").at("net").at("bytes"), 70);
  EXPECT_EQ(report.at("seconds"), 2.0);
  EXPECT_EQ(report.at("largest_entries").at(0).at("position"), 510);
  const Finished table = Log({"stat", path_});
  EXPECT_THAT(table.out, HasSubstr("net:"));
  EXPECT_THAT(table.out, HasSubstr("bytes a 1000 of them    84.000"));
}

// A log tells what happened, but not to which machine.
TEST_F(FtctlLogTest, BisectNeedsASnapshot) {
  WriteUsualLog();
  const Finished file = Log({"bisect", path_});
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_THAT(file.err, HasSubstr("has no snapshot to replay from"));
  const Finished directory = Log({"bisect", ftd_.dir().path()});
  EXPECT_EQ(directory.exit_code, 2);
  EXPECT_THAT(directory.err, HasSubstr("is no recording: it has no snapshot"));
  EXPECT_EQ(std::ranges::count(directory.err, '\n'), 1) << directory.err;
  EXPECT_THAT(Log({"bisect", "--help"}).out, HasSubstr("ftctl log bisect"));
}

TEST_F(FtctlLogTest, OtherFilesAreRefused) {
  for (const char* verb : {"check", "dump", "stat"}) {
    const Finished no_file = Log({verb, "/nowhere/x.ftlog"});
    EXPECT_EQ(no_file.exit_code, 2);
    EXPECT_THAT(no_file.err, HasSubstr("/nowhere/x.ftlog"));
    const Finished other = Log({verb, ftd_.Write("other", "something else")});
    EXPECT_EQ(other.exit_code, 2);
    EXPECT_THAT(other.err, HasSubstr("is no archived log; "));
    EXPECT_THAT(Log({verb, "--help"}).out,
                HasSubstr(std::string("ftctl log ") + verb));
  }
  EXPECT_EQ(Log({}).exit_code, 2);
}

}  // namespace
}  // namespace ft::cli
