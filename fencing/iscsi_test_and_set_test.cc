// SPDX-License-Identifier: GPL-2.0-or-later
//
// The test-and-set on a LUN of a real target.
#include "fencing/iscsi_test_and_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "fencing/iscsi_format.h"
#include "fencing/istgt_for_test.h"
#include "fencing/lossy_proxy_for_test.h"
#include "fencing/test_and_set_conformance.h"

namespace ft::fencing {
namespace {

using ::testing::HasSubstr;

// A SCSI command PDU whose CDB begins with COMPARE AND WRITE.
bool IsCompareAndWrite(std::string_view bytes) {
  return bytes.size() > 48 && (bytes[0] & 0x3f) == 0x01 &&
         static_cast<unsigned char>(bytes[32]) == 0x89;
}

// Overwrites `block` of a LUN's file.
void Scribble(const std::string& path, uint64_t block, const std::string& text,
              uint64_t block_size = 512) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(block * block_size));
  file << text;
}

template <typename Store>
class IstgtUnderTest : public StoreUnderTest {
 public:
  IstgtUnderTest() {
    const Status status = FormatIscsi({.url = istgt_.url()}, false);
    FT_CHECK(status.ok()) << status.ToString();
  }
  std::unique_ptr<TestAndSet> Open() override { return Open(istgt_.port()); }
  int race_rounds() const override { return 300; }
  void Damage(const std::string& vm) override {
    Scribble(istgt_.lun_path(), iscsi::FirstBlock(iscsi::kVmTable, vm),
             "neither fish nor fowl");
  }
  void Vanish() override { istgt_.server().Kill(); }
  void Return() override { istgt_.server().Start(); }
  void Hang() override { istgt_.server().Stop(); }
  void Continue() override { istgt_.server().Continue(); }

 protected:
  // Logged in.
  static std::unique_ptr<TestAndSet> Open(uint16_t port) {
    auto handle =
        std::make_unique<Store>(IscsiTarget{.url = IstgtForTest::Url(port)});
    const Status status = handle->Probe();
    FT_CHECK(status.ok()) << status.ToString();
    return handle;
  }

  IstgtForTest istgt_;
};

// The same through a proxy that loses replies.
class LossyIstgtUnderTest : public IstgtUnderTest<IscsiTestAndSet> {
 public:
  std::unique_ptr<TestAndSet> Open() override {
    return IstgtUnderTest::Open(proxy_.port());
  }
  void LoseReplies(int count) override { proxy_.LoseReplies(count); }

 private:
  LossyProxyForTest proxy_{istgt_.port(), &IsCompareAndWrite};
};

template <typename Store>
std::unique_ptr<StoreUnderTest> Make() {
  return std::make_unique<Store>();
}

using Direct = IstgtUnderTest<IscsiTestAndSet>;

INSTANTIATE_TEST_SUITE_P(Iscsi, TestAndSetConformance,
                         testing::Values(&Make<Direct>));
INSTANTIATE_TEST_SUITE_P(Iscsi, SharedStoreConformance,
                         testing::Values(&Make<Direct>));
INSTANTIATE_TEST_SUITE_P(Iscsi, RemoteStoreConformance,
                         testing::Values(&Make<LossyIstgtUnderTest>));

// A target that knows the command and does it in three steps.
class TornIscsi : public IscsiTestAndSet {
 public:
  using IscsiTestAndSet::IscsiTestAndSet;

 private:
  Result<bool> CompareAndWrite(IscsiSession& session, uint64_t block,
                               const std::string& expected,
                               const std::string& wanted,
                               Deadline deadline) override {
    const Result<std::string> now = session.Read(block, 1, deadline);
    if (!now.ok()) return now.status();
    if (*now != expected) return false;
    Status status = session.Write(block, wanted, deadline);
    if (!status.ok()) return status;
    return true;
  }
};

// A test of the suite: on the same real target, with the same interleavings.
TEST(IscsiTestAndSet, Race_SeesATargetThatIsNotAtomic) {
  IstgtUnderTest<TornIscsi> store;
  const auto open = [&store] { return store.Open(); };
  const RaceResult race = Race(open, "vm1", {.contenders = 2, .rounds = 300});
  EXPECT_GT(race.split, 0);
  EXPECT_FALSE(JudgeRace(race).empty());
}

// Says GOOD to every COMPARE AND WRITE.
class BlindIscsi : public IscsiTestAndSet {
 public:
  using IscsiTestAndSet::IscsiTestAndSet;

 private:
  Result<bool> CompareAndWrite(IscsiSession& session, uint64_t block,
                               const std::string&, const std::string& wanted,
                               Deadline deadline) override {
    Status status = session.Write(block, wanted, deadline);
    if (!status.ok()) return status;
    return true;
  }
};

class IscsiTest : public testing::Test {
 protected:
  IscsiTarget Target(const std::string& name = "store") const {
    return {.url = IstgtForTest::Url(istgt_.port(), name)};
  }
  void Format() {
    const Status status = FormatIscsi(Target(), false);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static std::string Probe(const IscsiTarget& target) {
    return IscsiTestAndSet(target).Probe().ToString();
  }
  // A call waits for the login less than istgt takes.
  static std::unique_ptr<IscsiTestAndSet> Ready(const IscsiTarget& target,
                                                iscsi::Table table) {
    auto store = std::make_unique<IscsiTestAndSet>(target, table);
    EXPECT_EQ(store->Probe().ToString(), "");
    return store;
  }

  IstgtForTest istgt_;
};

TEST_F(IscsiTest, Probe_FindsATargetThatDoesNotCompare) {
  Format();
  EXPECT_THAT(BlindIscsi(Target()).Probe().ToString(),
              HasSubstr("does not compare"));
  EXPECT_EQ(Probe(Target()), "");
}

// Each line is what an operator reads; each names the place and the remedy.
TEST_F(IscsiTest, Refusals_AreOneClearLine) {
  const std::string url = istgt_.url();
  EXPECT_EQ(
      Probe(Target()),
      "iSCSI LUN " + url + " is not formatted; ftctl fencing format " + url);
  Scribble(istgt_.lun_path(), 0, "LOCKSTEP of another time");
  EXPECT_THAT(Probe(Target()), HasSubstr("formatted by another release"));
  Scribble(istgt_.lun_path(), 0, "a boot sector ...........");
  EXPECT_THAT(Probe(Target()), HasSubstr("is not Lockstep's"));
  EXPECT_THAT(Probe({.url = "iscsi://127.0.0.1/"}),
              HasSubstr("is not the URL of a LUN"));
  EXPECT_THAT(Probe(Target("nobody")), HasSubstr("cannot log in"));
  EXPECT_THAT(Probe({.url = IstgtForTest::Url(FreePort())}),
              HasSubstr("; check the target and the network to it"));
}

TEST_F(IscsiTest, Chap_LetsInWhoKnowsThePassword) {
  IscsiTarget target = Target("secret");
  EXPECT_THAT(FormatIscsi(target, false).ToString(),
              HasSubstr("cannot log in"));
  target.user = "user";
  target.password = "of twelve lettres";
  EXPECT_THAT(FormatIscsi(target, false).ToString(),
              HasSubstr("cannot log in"));
  target.password = "of twelve letters";
  const Status status = FormatIscsi(target, false);
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Probe(target), "");
}

TEST_F(IscsiTest, Format_NeverOverwritesWhatItDoesNotKnow) {
  const uint64_t last = (4 << 20) / 512 - 1;
  for (uint64_t block :
       {uint64_t{0}, uint64_t{2}, uint64_t{1279}, uint64_t{2047}, last}) {
    Scribble(istgt_.lun_path(), block, "somebody's data");
    const Status status = FormatIscsi(Target(), false);
    EXPECT_EQ(status.code(), Code::kInvalid);
    EXPECT_THAT(status.ToString(),
                HasSubstr("something in block " + std::to_string(block) + ";"));
    Scribble(istgt_.lun_path(), block, std::string(15, '\0'));
  }
  Format();
  const auto store = Ready(Target(), iscsi::kVmTable);
  ASSERT_EQ(store->Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_THAT(FormatIscsi(Target(), false).ToString(),
              HasSubstr("is formatted already; use it; --force forgets"));
  EXPECT_TRUE(store->Read("vm1").value());
  EXPECT_TRUE(FormatIscsi(Target(), true).ok());
  EXPECT_FALSE(store->Read("vm1").value());
}

TEST(Iscsi, Format_RefusesALunThatIsTooSmall) {
  IstgtForTest istgt({.bytes = 512 << 10});
  EXPECT_THAT(FormatIscsi({.url = istgt.url()}, false).ToString(),
              HasSubstr("has 1024 blocks; make it one of 1280 blocks"));
}

TEST_F(IscsiTest, Blocks_MayBeOf4096Bytes) {
  IstgtForTest istgt({.bytes = 8 << 20, .block_size = 4096});
  ASSERT_TRUE(FormatIscsi({.url = istgt.url()}, false).ok());
  const auto store = Ready({.url = istgt.url()}, iscsi::kVmTable);
  EXPECT_EQ(store->Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_EQ(store->Acquire("vm1", 1, "hostB").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_EQ(*store->Read("vm1"), (VmRecord{"vm1", 2, "hostB"}));
}

// A table of two blocks: the third VM finds no place, those that are there
// stay found, from whichever block their search begins.
TEST_F(IscsiTest, Table_GivesEveryVmABlockOfItsOwn) {
  Format();
  const auto store = Ready(Target(), {.first = 1, .count = 2});
  EXPECT_EQ(store->Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_EQ(store->Acquire("vm2", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_THAT(store->Acquire("vm3", 0, "hostA").error.ToString(),
              HasSubstr("has no room for another VM; it holds 2"));
  EXPECT_EQ(*store->Read("vm1"), (VmRecord{"vm1", 1, "hostA"}));
  EXPECT_EQ(*store->Read("vm2"), (VmRecord{"vm2", 1, "hostA"}));
}

// Many VMs are started for the first time at once, in a table that they
// fill: each gets its block, none gets another's.
TEST_F(IscsiTest, Table_FirstStartsOfManyVmsAtOnce) {
  Format();
  constexpr int kVms = 12;
  std::vector<std::jthread> hosts;
  for (int i = 0; i < kVms; ++i) {
    hosts.emplace_back([this, i] {
      const auto store = Ready(Target(), {.first = 1, .count = kVms});
      const auto answer = store->Acquire("vm" + std::to_string(i), 0, "hostA");
      EXPECT_EQ(answer.outcome, TestAndSetOutcome::kAcquired)
          << answer.error.ToString();
    });
  }
  hosts.clear();
  const auto store = Ready(Target(), {.first = 1, .count = kVms});
  for (int i = 0; i < kVms; ++i) {
    const std::string vm = "vm" + std::to_string(i);
    EXPECT_EQ(*store->Read(vm), (VmRecord{vm, 1, "hostA"}));
  }
}

TEST_F(IscsiTest, Scratch_IsOneTestsAtATimeAndTouchesNoRecord) {
  Format();
  const auto store = Ready(Target(), iscsi::kVmTable);
  store->Acquire("vm1", 0, "hostA");
  {
    auto scratch = IscsiScratch::Claim(Target(), false);
    ASSERT_TRUE(scratch.ok()) << scratch.status().ToString();
    EXPECT_THAT(IscsiScratch::Claim(Target(), false).status().ToString(),
                HasSubstr("in use (ftctl fencing test: process " +
                          std::to_string(getpid())));
    const auto tried = Ready(Target(), iscsi::kScratchTable);
    EXPECT_FALSE(tried->Read("vm1").value());
    tried->Acquire("vm1", 0, "hostB");
    EXPECT_TRUE(scratch->Clear().ok());
    EXPECT_FALSE(tried->Read("vm1").value());
  }
  EXPECT_TRUE(IscsiScratch::Claim(Target(), false).ok());
  EXPECT_EQ(*store->Read("vm1"), (VmRecord{"vm1", 1, "hostA"}));
}

// The session that a restart of the target took is replaced by itself.
TEST_F(IscsiTest, Session_IsSharedByThreadsAndReplaced) {
  Format();
  const auto store = Ready(Target(), iscsi::kVmTable);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&store, i] {
      const std::string vm = "vm" + std::to_string(i);
      for (uint64_t epoch = 0; epoch < 20; ++epoch) {
        EXPECT_EQ(store->Acquire(vm, epoch, "hostA").outcome,
                  TestAndSetOutcome::kAcquired);
      }
    });
  }
  threads.clear();
  istgt_.server().Kill();
  istgt_.server().Start();
  EXPECT_EQ(store->Probe().ToString(), "");
  EXPECT_EQ(*store->Read("vm3"), (VmRecord{"vm3", 20, "hostA"}));
}

// A call does not wait for a login that takes a second, but the keeper does:
// a later call finds the session.
TEST(Iscsi, Session_IsOpenedThoughTheTargetIsSlow) {
  IstgtForTest istgt({.slow = true});
  ASSERT_TRUE(FormatIscsi({.url = istgt.url()}, false).ok());
  IscsiTestAndSet store({.url = istgt.url()});
  EXPECT_THAT(store.Read("vm1").status().ToString(),
              HasSubstr("no answer in time"));
  EXPECT_EQ(store.Probe().ToString(), "");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
            TestAndSetOutcome::kAcquired);
  EXPECT_LT(std::chrono::steady_clock::now() - begun,
            std::chrono::milliseconds(500));
}

}  // namespace
}  // namespace ft::fencing
