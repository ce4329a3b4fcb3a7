// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/file_test_and_set.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "fencing/file_record.h"
#include "fencing/scratch_directory.h"
#include "fencing/test_and_set_conformance.h"
#include "logchannel/check.h"

namespace ft::fencing {
namespace {

namespace fs = std::filesystem;

class FileUnderTest : public StoreUnderTest {
 public:
  FileUnderTest() { fs::create_directory(directory_); }
  std::unique_ptr<TestAndSet> Open() override {
    return std::make_unique<FileTestAndSet>(directory_);
  }
  void Damage(const std::string& vm) override {
    std::string newest;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename();
      if (EpochOfName(vm, name)) newest = std::max(newest, name);
    }
    WriteFile(directory_ / newest, "neither fish nor fowl\n");
  }
  void Vanish() override { fs::rename(directory_, away_); }
  void Return() override { fs::rename(away_, directory_); }

 private:
  ScratchDirectory scratch_;
  const fs::path directory_ = scratch_.path() / "store";
  const fs::path away_ = scratch_.path() / "away";
};

std::unique_ptr<StoreUnderTest> MakeFileUnderTest() {
  return std::make_unique<FileUnderTest>();
}
INSTANTIATE_TEST_SUITE_P(File, TestAndSetConformance,
                         testing::Values(&MakeFileUnderTest));
INSTANTIATE_TEST_SUITE_P(File, SharedStoreConformance,
                         testing::Values(&MakeFileUnderTest));

class FileTestAndSetTest : public testing::Test {
 protected:
  fs::path Record(uint64_t epoch) const {
    return scratch_.path() / RecordName("vm1", epoch);
  }
  size_t Files() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(scratch_.path()), {}));
  }
  TestAndSetAnswer Acquire(uint64_t epoch) {
    return store_.Acquire("vm1", epoch, "hostA");
  }

  ScratchDirectory scratch_;
  FileTestAndSet store_{scratch_.path()};
};

TEST_F(FileTestAndSetTest, Directory_HoldsRecordsAndNoLeftovers) {
  EXPECT_TRUE(store_.Probe().ok());
  Acquire(0);
  Acquire(0);
  EXPECT_EQ(Files(), 1u);
  EXPECT_TRUE(fs::exists(Record(1)));
}

TEST_F(FileTestAndSetTest, Prune_KeepsTheLastRecords) {
  for (uint64_t epoch = 0; epoch < 20; ++epoch) Acquire(epoch);
  EXPECT_EQ(Files(), FileTestAndSet::kKeptRecords);
  EXPECT_TRUE(fs::exists(Record(13)));
  EXPECT_FALSE(fs::exists(Record(12)));
}

// hostB read epoch 0, then slept until its name was pruned: its link of
// epoch 1 succeeds, and must not make it a winner.
TEST_F(FileTestAndSetTest, Prune_LateLinkOfAnOldEpochDoesNotWin) {
  for (uint64_t epoch = 0; epoch < 20; ++epoch) Acquire(epoch);
  WriteFile(Record(1), EncodeRecord({"vm1", 1, "hostB"}));
  const auto answer = store_.Acquire("vm1", 0, "hostB");
  EXPECT_EQ(answer.outcome, TestAndSetOutcome::kHeldByPeer);
  EXPECT_EQ(answer.record, (VmRecord{"vm1", 20, "hostA"}));
}

TEST_F(FileTestAndSetTest, Prune_RemovesOldTemporariesOnly) {
  const fs::path old = scratch_.path() / ".vm1.hostB.4711.3.tmp";
  const fs::path young = scratch_.path() / ".vm1.hostB.4711.4.tmp";
  WriteFile(old, "half a rec");
  WriteFile(young, "");
  const auto now = fs::last_write_time(young);
  fs::last_write_time(old, now - std::chrono::hours(2));
  EXPECT_EQ(Acquire(0).outcome, TestAndSetOutcome::kAcquired);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
}

TEST_F(FileTestAndSetTest, Record_OddFilesInItsPlaceAreUnreachable) {
  const std::function<void()> oddities[] = {
      [&] { fs::create_directory(Record(2)); },
      [&] { ASSERT_EQ(mkfifo(Record(2).c_str(), 0644), 0); },
      [&] { fs::create_symlink("/etc/hostname", Record(2)); },
      [&] { WriteFile(Record(2), ""); },
      [&] { WriteFile(Record(2), std::string(100000, 'x')); },
      [&] { fs::copy_file(Record(1), Record(2)); },
      [&] { WriteFile(Record(0), ""); },
  };
  ASSERT_EQ(Acquire(0).outcome, TestAndSetOutcome::kAcquired);
  for (const auto& put : oddities) {
    put();
    for (uint64_t epoch : {0, 1, 2}) {
      EXPECT_EQ(Acquire(epoch).outcome, TestAndSetOutcome::kUnreachable);
    }
    EXPECT_NE(store_.Read("vm1").status().message().find("vm1"),
              std::string::npos);
    fs::remove(Record(2));
  }
}

// Each line is what an operator reads; each names the place and the remedy.
TEST_F(FileTestAndSetTest, Missing_DirectoryIsOneClearLine) {
  FileTestAndSet store("/nowhere/lockstep");
  EXPECT_EQ(store.Probe().ToString(),
            "shared directory /nowhere/lockstep does not exist; "
            "create it, or mount the shared file system there");
  EXPECT_EQ(store.Read("vm1").status().message(), store.Probe().message());
  WriteFile(scratch_.path() / "file", "");
  FileTestAndSet file(scratch_.path() / "file");
  EXPECT_NE(file.Probe().message().find("is not a directory"),
            std::string::npos);
}

// Runs `body` in a child, where it may give up rights and mount; the string
// that it returns.
std::string InChild(const std::function<std::string()>& body) {
  int ends[2];
  FT_CHECK(pipe(ends) == 0) << "pipe";
  const pid_t pid = fork();
  FT_CHECK(pid >= 0) << "fork";
  if (pid == 0) {
    const std::string said = body();
    _exit(write(ends[1], said.data(), said.size()) < 0);
  }
  close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<size_t>(n));
  }
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return said;
}

TEST_F(FileTestAndSetTest, Unwritable_DirectoryIsOneClearLine) {
  ASSERT_EQ(Acquire(0).outcome, TestAndSetOutcome::kAcquired);
  fs::permissions(scratch_.path(), fs::perms(0555));
  const std::string said = InChild([&]() -> std::string {
    if (geteuid() == 0 && setuid(65534) != 0) return "cannot setuid";
    return store_.Probe().ToString() + "|" + Acquire(1).error.message() + "|" +
           (store_.Read("vm1").ok() ? "readable" : "not readable");
  });
  const std::string line = "shared directory " + scratch_.path().string() +
                           " is not writable by ftd (cannot create a file: "
                           "Permission denied)";
  EXPECT_EQ(said, line +
                      "; give ftd's user write permission, on a file system "
                      "with links|" +
                      line + "|readable");
}

// Mounts a tiny file system of its own over the directory.
bool MountTiny(const fs::path& path) {
  const int user = geteuid() == 0 ? 0 : CLONE_NEWUSER;
  return unshare(CLONE_NEWNS | user) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("none", path.c_str(), "tmpfs", 0, "size=16k,mode=0777") == 0;
}

TEST_F(FileTestAndSetTest, Full_DiskIsOneClearLineAndHealsWithSpace) {
  const std::string said = InChild([&]() -> std::string {
    if (!MountTiny(scratch_.path())) return "cannot mount";
    if (Acquire(0).outcome != TestAndSetOutcome::kAcquired) return "no start";
    const fs::path ballast = scratch_.path() / "ballast";
    WriteFile(ballast, std::string(100000, 'x'));
    const auto full = Acquire(1);
    fs::remove(ballast);
    return full.error.ToString() + "|" + store_.Probe().ToString() + "|" +
           ToString(Acquire(1).outcome);
  });
  EXPECT_EQ(said, "shared directory " + scratch_.path().string() +
                      " is full; free some space; a record needs one block||"
                      "acquired");
}

}  // namespace
}  // namespace ft::fencing
