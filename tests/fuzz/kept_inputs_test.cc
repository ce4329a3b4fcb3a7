// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is kept, through every target: inputs that cover the parsers, inputs
// that once broke one, and each cut short at every byte. No libFuzzer, so this
// runs in every preset.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/fuzz/fuzz_target.h"

namespace ft::fuzz {

// In names of tests.
void PrintTo(const Target& target, std::ostream* out) { *out << target.name; }

namespace {

namespace fs = std::filesystem;

// Longer ones are cut only where they end.
constexpr size_t kCutBytesMax = 1024;

std::vector<fs::path> FilesIn(const std::string& kind,
                              const std::string& target) {
  std::vector<fs::path> files;
  std::error_code missing;
  const fs::path directory = fs::path(FT_FUZZ_DIR) / kind / target;
  for (const auto& entry : fs::directory_iterator(directory, missing)) {
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<std::byte> ReadWhole(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto bytes = AsInput(text);
  return {bytes.begin(), bytes.end()};
}

// A broken promise ends the process, so the name is told before. Each input is
// a block of its own size, for the sanitizers.
void RunKept(const Target& target, const fs::path& path) {
  std::cout << path.string() << std::endl;
  const std::vector<std::byte> whole = ReadWhole(path);
  target.run(whole);
  for (size_t cut = 0; cut < std::min(whole.size(), kCutBytesMax); ++cut) {
    const auto head = Input(whole).first(cut);
    target.run(std::vector<std::byte>(head.begin(), head.end()));
  }
}

class KeptInputs : public ::testing::TestWithParam<Target> {};

TEST_P(KeptInputs, CorpusKeepsThePromises) {
  const auto files = FilesIn("corpus", GetParam().name);
  EXPECT_FALSE(files.empty()) << "no corpus for " << GetParam().name;
  for (const auto& file : files) RunKept(GetParam(), file);
}

TEST_P(KeptInputs, RegressionsStayMended) {
  for (const auto& file : FilesIn("regressions", GetParam().name)) {
    RunKept(GetParam(), file);
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, KeptInputs, ::testing::ValuesIn(Targets()),
                         [](const auto& target) { return target.param.name; });

TEST(FuzzTarget, EveryDirectoryHasATarget) {
  for (const char* kind : {"corpus", "regressions"}) {
    for (const auto& entry :
         fs::directory_iterator(fs::path(FT_FUZZ_DIR) / kind)) {
      const std::string name = entry.path().filename();
      EXPECT_TRUE(std::ranges::any_of(
          Targets(), [&](const Target& t) { return t.name == name; }))
          << "tests/fuzz/" << kind << "/" << name << " is of no target";
    }
  }
}

TEST(FuzzTarget, RefusalOfTwoLinesOrNoneIsSeen) {
  EXPECT_TRUE(IsOneLine("vm1: no"));
  EXPECT_TRUE(IsOneLine("\xc3\xa9"));
  for (const char* bad : {"", "a\nb", "a\x1b[2J", "a\x7f", "\r"}) {
    EXPECT_FALSE(IsOneLine(bad)) << bad;
  }
}

TEST(FuzzTargetDeathTest, AcceptanceIsNoRefusal) {
  EXPECT_DEATH(ExpectRefusal(Status::Ok()), "FT_CHECK");
  EXPECT_DEATH(ExpectRefusal(Status::Invalid("")), "FT_CHECK");
}

}  // namespace
}  // namespace ft::fuzz
