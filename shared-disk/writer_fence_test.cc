// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/writer_fence.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

namespace ft::shared_disk {
namespace {

using Pass = WriterFence::Pass;
using std::chrono::milliseconds;

const WriteRight kOfA = {{"vm1", 1, "hostA"}, 1};
const Writer kA = {"hostA", 1}, kB = {"hostB", 1};

void Forget(const WriteRight&) {}

// The test-and-set by which hostB takes over from `now`, or hostA takes it
// back.
Result<WriteRight> Swap(const std::optional<WriteRight>& now) {
  const bool of_a = now->record.holder == "hostA";
  return AfterTestAndSet(
      now, now->record,
      {"vm1", now->record.epoch + 1, of_a ? "hostB" : "hostA"});
}

bool IsPass(const std::variant<Pass, Verdict>& entered) {
  return std::holds_alternative<Pass>(entered);
}

TEST(WriterFence, LetsTheHolderThroughAndTellsTheOthersWhy) {
  WriterFence fence(kOfA);
  EXPECT_TRUE(IsPass(fence.Enter(kA)));
  EXPECT_EQ(std::get<Verdict>(fence.Enter(kB)), Verdict::kNotHolder);
  ASSERT_TRUE(fence.Change(Swap, Forget).ok());
  EXPECT_EQ(std::get<Verdict>(fence.Enter(kA)), Verdict::kNotHolder);
  EXPECT_TRUE(IsPass(fence.Enter(kB)));
}

TEST(WriterFence, ChangeWaitsForTheWriteInFlight) {
  WriterFence fence(kOfA);
  std::atomic<bool> persisted{false};
  std::future<bool> changed;
  {
    const auto pass = fence.Enter(kA);
    changed = std::async(std::launch::async, [&] {
      return fence.Change(Swap, [&](const WriteRight&) { persisted = true; })
          .ok();
    });
    EXPECT_EQ(changed.wait_for(milliseconds(50)), std::future_status::timeout);
    EXPECT_FALSE(persisted);
    EXPECT_EQ(fence.right(), kOfA);
  }
  EXPECT_TRUE(changed.get());
  EXPECT_TRUE(persisted);
}

TEST(WriterFence, NoWriteBeginsWhileAChangeIsMadeDurable) {
  WriterFence fence(kOfA);
  std::promise<void> begun, go_on;
  auto changed = std::async(std::launch::async, [&] {
    return fence
        .Change(Swap,
                [&](const WriteRight&) {
                  begun.set_value();
                  go_on.get_future().wait();
                })
        .ok();
  });
  begun.get_future().wait();
  auto entered =
      std::async(std::launch::async, [&] { return IsPass(fence.Enter(kA)); });
  EXPECT_EQ(entered.wait_for(milliseconds(50)), std::future_status::timeout);
  EXPECT_EQ(fence.right(), kOfA);
  go_on.set_value();
  EXPECT_TRUE(changed.get());
  EXPECT_FALSE(entered.get());
}

TEST(WriterFence, RefusedChangeDisturbsNobody) {
  WriterFence fence(kOfA);
  const auto in_flight = fence.Enter(kA);
  const auto refused = fence.Change(
      [](const std::optional<WriteRight>&) -> Result<WriteRight> {
        return Status::Invalid("no");
      },
      [](const WriteRight&) { ADD_FAILURE() << "persisted"; });
  EXPECT_FALSE(refused.ok());
  EXPECT_TRUE(IsPass(fence.Enter(kA)));
}

TEST(WriterFence, OfManyChangesToOneRecordOneIsMade) {
  WriterFence fence(kOfA);
  std::atomic<int> won{0}, persisted{0};
  std::vector<std::jthread> contenders;
  for (int i = 0; i < 8; ++i) {
    contenders.emplace_back([&, i] {
      const Record wanted = {"vm1", 2, "host" + std::to_string(i)};
      won += fence
                 .Change(
                     [&](const std::optional<WriteRight>& now) {
                       return AfterTestAndSet(now, kOfA.record, wanted);
                     },
                     [&](const WriteRight&) { ++persisted; })
                 .ok();
    });
  }
  contenders.clear();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(persisted, 1);
}

// Four writers of two hosts write as fast as they can, all the time; the
// right goes back and forth. A write that is seen by a change, or after it,
// is a write of a fenced engine.
TEST(WriterFence, UnderLoadNoWriteOutlivesItsRight) {
  constexpr int kChanges = 500;
  WriterFence fence(kOfA);
  // The epoch that is being written by, while writes are in flight.
  std::atomic<uint64_t> epoch{1};
  std::atomic<int> in_flight{0};
  std::atomic<uint64_t> written{0}, stale{0}, overtaken{0};
  std::atomic<bool> over{false};
  const auto writer_main = [&](const std::string& host, uint64_t odd) {
    while (!over) {
      // Young enough for every epoch of its host.
      const Writer writer = {host, fence.right()->record.epoch};
      const auto entered = fence.Enter(writer);
      if (!IsPass(entered)) {
        std::this_thread::yield();
        continue;
      }
      ++in_flight;
      const uint64_t before = epoch;
      std::this_thread::yield();
      if (before % 2 != odd || epoch != before) ++stale;
      --in_flight;
      ++written;
    }
  };
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < 2; ++i) {
      writers.emplace_back(writer_main, "hostA", 1);
      writers.emplace_back(writer_main, "hostB", 0);
    }
    for (int i = 0; i < kChanges; ++i) {
      // Each change meets writes.
      for (const uint64_t before = written; written < before + 3;) {
        std::this_thread::yield();
      }
      ASSERT_TRUE(fence
                      .Change(Swap,
                              [&](const WriteRight& next) {
                                overtaken += in_flight != 0;
                                epoch = next.record.epoch;
                              })
                      .ok());
    }
    over = true;
  }
  EXPECT_EQ(stale, 0u);
  EXPECT_EQ(overtaken, 0u);
  EXPECT_GT(written, uint64_t{kChanges});
}

}  // namespace
}  // namespace ft::shared_disk
