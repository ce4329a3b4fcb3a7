// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/history.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <fstream>

namespace ft::chaos {
namespace {

using testing::HasSubstr;

std::string ScratchPath() {
  return testing::TempDir() + "history-" + std::to_string(getpid()) + ".jsonl";
}

std::vector<Operation> SomeHistory() {
  return {{.client = 1,
           .key = "s1:r0",
           .kind = Kind::kSet,
           .argument = "a \"quoted\" value",
           .invoked_ns = 8'000'000'000'123,
           .returned_ns = 8'000'000'000'456},
          {.client = 2, .key = "s1:r0", .result = {"c1.1"}},
          {.client = 2,
           .key = "s1:l0",
           .kind = Kind::kPush,
           .argument = "c2.7",
           .outcome = Outcome::kUnknown},
          {.key = "s1:l0", .kind = Kind::kRange, .result = {"a", "b"}}};
}

TEST(History, Written_IsReadAsItWas) {
  const std::string path = ScratchPath();
  const std::vector<Operation> history = SomeHistory();
  WriteHistory(path, history);
  EXPECT_EQ(ReadHistory(path), history);
  unlink(path.c_str());
}

TEST(History, DamagedLine_IsNamed) {
  const std::string path = ScratchPath();
  WriteHistory(path, SomeHistory());
  std::ofstream(path, std::ios::app) << "{\"client\": 1, \"kind\": \"eat\"}\n";
  try {
    ReadHistory(path);
    FAIL() << "it was read";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path + ":5: "));
  }
  unlink(path.c_str());
}

TEST(History, PlaceThatIsNot_IsNamed) {
  const std::string path = "/nowhere/at/all.jsonl";
  EXPECT_THROW(WriteHistory(path, SomeHistory()), std::runtime_error);
  EXPECT_THROW(ReadHistory(path), std::runtime_error);
}

}  // namespace
}  // namespace ft::chaos
