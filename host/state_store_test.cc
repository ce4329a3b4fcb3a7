// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "host/temp_dir_for_test.h"

namespace ft::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StateStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(store_.Open().ok()); }

  static void Write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }

  TempDir dir_;
  StateStore store_{dir_ / "state"};
};

TEST_F(StateStoreTest, StateComesBackWhole) {
  SavedState state;
  state.condition = {.role = Role::kPrimary,
                     .state = State::kNeedBackup,
                     .reason = Reason::kHostFailure,
                     .epoch = 7,
                     .peer = "hostB",
                     .why = "lost \"hostB\"",
                     .since_ms = 1234567890123};
  state.engine_pid = 42;
  state.holding = true;
  state.owns_record = true;
  state.disks = {.live_epoch = 6, .replica_of = "hostC"};
  ASSERT_TRUE(store_.SaveDefinition("vm1", "name = \"vm1\"\n").ok());
  ASSERT_TRUE(store_.SaveState("vm1", state).ok());
  auto loaded = store_.LoadState("vm1");
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->condition.role, Role::kPrimary);
  EXPECT_EQ(loaded->condition.state, State::kNeedBackup);
  EXPECT_EQ(loaded->condition.reason, Reason::kHostFailure);
  EXPECT_EQ(loaded->condition.epoch, 7u);
  EXPECT_EQ(loaded->condition.why, "lost \"hostB\"");
  EXPECT_EQ(loaded->condition.since_ms, 1234567890123);
  EXPECT_EQ(loaded->engine_pid, 42);
  EXPECT_TRUE(loaded->holding);
  EXPECT_TRUE(loaded->owns_record);
  EXPECT_EQ(loaded->disks, state.disks);
  EXPECT_EQ(*store_.LoadDefinition("vm1"), "name = \"vm1\"\n");
}

// ftd died between writing state.json.new and renaming it.
TEST_F(StateStoreTest, HalfWrittenStateIsNeverRead) {
  SavedState state;
  state.condition.epoch = 3;
  ASSERT_TRUE(store_.SaveState("vm1", state).ok());
  Write(store_.VmDir("vm1") + "/state.json.new", "{\"epoch\":4");
  EXPECT_EQ(store_.LoadState("vm1")->condition.epoch, 3u);
  state.condition.epoch = 5;
  ASSERT_TRUE(store_.SaveState("vm1", state).ok());
  EXPECT_EQ(store_.LoadState("vm1")->condition.epoch, 5u);
  EXPECT_FALSE(
      std::filesystem::exists(store_.VmDir("vm1") + "/state.json.new"));
}

TEST_F(StateStoreTest, FailedWriteLeavesTheOldFile) {
  ASSERT_TRUE(WriteFileAtomically(dir_ / "file", "old").ok());
  // A directory where the temporary file would be: it cannot be opened.
  std::filesystem::create_directory(dir_ / "file.new");
  Status status = WriteFileAtomically(dir_ / "file", "new");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr("file"));
  std::string text;
  std::ifstream(dir_ / "file") >> text;
  EXPECT_EQ(text, "old");
}

TEST_F(StateStoreTest, ListsDefinedVmsOnly) {
  ASSERT_TRUE(store_.SaveDefinition("vm2", "x").ok());
  ASSERT_TRUE(store_.SaveDefinition("vm1", "x").ok());
  // An undefine that was interrupted.
  ASSERT_TRUE(store_.SaveState("vm3", {}).ok());
  EXPECT_THAT(store_.List(), ElementsAre("vm1", "vm2"));
  ASSERT_TRUE(store_.Remove("vm1").ok());
  EXPECT_THAT(store_.List(), ElementsAre("vm2"));
}

TEST_F(StateStoreTest, GarbageIsNoState) {
  EXPECT_FALSE(store_.LoadState("vm1").has_value());
  ASSERT_TRUE(store_.SaveDefinition("vm1", "x").ok());
  Write(store_.VmDir("vm1") + "/state.json", "[1]");
  EXPECT_FALSE(store_.LoadState("vm1").has_value());
  Write(store_.VmDir("vm1") + "/state.json",
        "{\"epoch\":\"x\",\"role\":7,\"engine_pid\":-1.5e300}");
  ASSERT_TRUE(store_.LoadState("vm1").has_value());
  EXPECT_EQ(store_.LoadState("vm1")->condition.epoch, 0u);
}

TEST_F(StateStoreTest, UnwritableDirectoryIsNamed) {
  Write(dir_ / "file", "");
  StateStore store(dir_ / "file");
  Status status = store.Open();
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), HasSubstr("state_dir"));
  EXPECT_THAT(status.message(), HasSubstr(dir_ / "file"));
}

}  // namespace
}  // namespace ft::host
