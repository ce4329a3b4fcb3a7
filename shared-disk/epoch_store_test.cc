// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/epoch_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "shared-disk/scratch_directory_for_test.h"

namespace ft::shared_disk {
namespace {

namespace fs = std::filesystem;

const WriteRight kVm1 = {{"vm1", 8, "hostB"}, 7};
const WriteRight kVm2 = {{"vm2", 3, ""}, 2};

class EpochStoreTest : public testing::Test {
 protected:
  EpochStoreTest() { EXPECT_TRUE(EpochStore::Create(store_).ok()); }

  std::unique_ptr<EpochStore> Open() {
    auto store = EpochStore::Open(store_);
    EXPECT_TRUE(store.ok()) << store.status().ToString();
    return std::move(store).value();
  }
  std::string Refusal() {
    auto store = EpochStore::Open(store_);
    return store.ok() ? "opened" : store.status().ToString();
  }
  std::vector<fs::path> Files(const std::string& part_of_name) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(store_)) {
      const std::string name = entry.path().filename();
      if (name.find(part_of_name) != name.npos) found.push_back(entry.path());
    }
    return found;
  }
  static void FlipBit(const fs::path& path, uintmax_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char c = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(c);
    EXPECT_TRUE(file.good()) << path;
  }

  ScratchDirectory scratch_;
  const std::string store_ = scratch_.path() / "store";
};

TEST_F(EpochStoreTest, KeepsRightsAcrossProcesses) {
  EXPECT_TRUE(Open()->Save(kVm1).ok());
  EXPECT_TRUE(Open()->Save(kVm2).ok());
  auto store = Open();
  auto rights = store->Load();
  ASSERT_TRUE(rights.ok());
  ASSERT_EQ(rights->size(), 2u);
  EXPECT_EQ(rights->at("vm1").value(), kVm1);
  EXPECT_EQ(rights->at("vm2").value(), kVm2);
}

TEST_F(EpochStoreTest, EmptyOneHasNoRights) {
  EXPECT_TRUE(Open()->Load()->empty());
}

TEST_F(EpochStoreTest, SavedRightSurvivesKill) {
  for (uint64_t epoch = 1; epoch <= 20; ++epoch) {
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      auto store = EpochStore::Open(store_);
      const bool saved =
          store.ok() && (*store)->Save({{"vm1", epoch, "hostA"}, 0}).ok();
      if (saved) raise(SIGKILL);
      _exit(1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "was not saved";
    EXPECT_EQ(Open()->Load()->at("vm1").value().record.epoch, epoch);
  }
}

TEST_F(EpochStoreTest, MissingIsRefusedAndNotMade) {
  fs::remove_all(store_);
  const std::string line = "store of epochs " + store_ +
                           " does not exist; mount it; or, if this service "
                           "is new, ft-disk-service --create-store";
  EXPECT_EQ(Refusal(), line);
  EXPECT_FALSE(fs::exists(store_));
  fs::create_directory(store_);
  EXPECT_EQ(Refusal(), line);
}

TEST_F(EpochStoreTest, IsMadeOnlyWhereNothingIs) {
  EXPECT_TRUE(Open()->Save(kVm1).ok());
  EXPECT_EQ(EpochStore::Create(store_).code(), Code::kInvalid);
  EXPECT_EQ(Open()->Load()->size(), 1u);
}

TEST_F(EpochStoreTest, IsOpenedByOneAtATime) {
  auto first = Open();
  EXPECT_EQ(Refusal(), "store of epochs " + store_ +
                           " is in use by another process; one disk service "
                           "at a time; end the other one");
}

TEST_F(EpochStoreTest, AnotherProgramsDatabaseIsRefused) {
  fs::remove_all(store_);
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, store_, &db).ok());
  delete db;
  EXPECT_NE(Refusal().find("not one of this version"), std::string::npos);
}

// A store that lost a file does not open as if it had been empty. (The log
// of the last few rights is the exception, docs/shared-disk.md.)
TEST_F(EpochStoreTest, LostFileIsRefused) {
  EXPECT_TRUE(Open()->Save(kVm1).ok());
  Open();  // the log becomes a table
  const fs::path good = scratch_.path() / "good";
  fs::copy(store_, good);
  int lost = 0;
  for (const char* part : {"CURRENT", "MANIFEST", ".sst"}) {
    for (const fs::path& file : Files(part)) {
      fs::remove(file);
      EXPECT_NE(Refusal(), "opened") << "without " << file;
      fs::remove_all(store_);
      fs::copy(good, store_);
      ++lost;
    }
  }
  EXPECT_GE(lost, 3);
  EXPECT_EQ(Refusal(), "opened");
}

// A byte of a table or of the log that has turned over: refused, or the
// value that was saved; never another one, never none.
TEST_F(EpochStoreTest, FlippedBitIsSeen) {
  EXPECT_TRUE(Open()->Save(kVm1).ok());
  Open();
  EXPECT_TRUE(Open()->Save(kVm2).ok());
  const fs::path good = scratch_.path() / "good";
  fs::copy(store_, good);
  int refused = 0;
  for (const char* part : {".sst", ".log"}) {
    for (const fs::path& file : Files(part)) {
      const uintmax_t size = fs::file_size(file);
      for (uintmax_t at = 11; at < size; at += 1 + size / 25) {
        fs::remove_all(store_);
        fs::copy(good, store_);
        FlipBit(file, at);
        auto store = EpochStore::Open(store_);
        if (!store.ok()) {
          ++refused;
          continue;
        }
        auto rights = (*store)->Load();
        if (!rights.ok()) {
          ++refused;
          continue;
        }
        ASSERT_EQ(rights->size(), 2u) << file << " at " << at;
        EXPECT_EQ(rights->at("vm1").value(), kVm1);
        EXPECT_EQ(rights->at("vm2").value(), kVm2);
      }
    }
  }
  EXPECT_GT(refused, 10);
}

TEST_F(EpochStoreTest, DamagedRightIsOneVmsOwn) {
  EXPECT_TRUE(Open()->Save(kVm1).ok());
  EXPECT_TRUE(Open()->Save(kVm2).ok());
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(rocksdb::Options(), store_, &db).ok());
  std::string value = EncodeRight(kVm1);
  value[260] ^= 1;
  EXPECT_TRUE(db->Put(rocksdb::WriteOptions(), "vm/vm1", value).ok());
  // That of another VM, in its place.
  EXPECT_TRUE(
      db->Put(rocksdb::WriteOptions(), "vm/vm3", EncodeRight(kVm2)).ok());
  delete db;
  auto rights = Open()->Load();
  ASSERT_TRUE(rights.ok());
  EXPECT_NE(rights->at("vm1").status().ToString().find(
                "record of vm1 in " + store_ + " is damaged; find out which"),
            std::string::npos);
  EXPECT_FALSE(rights->at("vm3").ok());
  EXPECT_EQ(rights->at("vm2").value(), kVm2);
}

}  // namespace
}  // namespace ft::shared_disk
