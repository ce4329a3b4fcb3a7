// SPDX-License-Identifier: GPL-2.0-or-later
//
// A disk service that is killed at random moments while hosts contend: each
// asks for an epoch until it is answered, as agents do, and for the next one
// when all were. Replies are lost, connections break in the middle; still
// each epoch has exactly one winner, and the record names it.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <random>
#include <thread>

#include "fencing/nbd_test_and_set.h"
#include "shared-disk/disk_service_for_test.h"

namespace ft::fencing {
namespace {

constexpr uint64_t kEpochs = 120;
constexpr int kHosts = 3;

struct Tally {
  // By epoch: how many were told that they won it, and the last of them.
  std::atomic<int> winners[kEpochs + 1] = {};
  std::atomic<int> winner[kEpochs + 1] = {};
  std::atomic<int> unreachable{0};
  // Answers so far, and starts of the service; both notified.
  std::atomic<int> answers{0};
  std::atomic<int> starts{0};
};

// Asks until it is answered. While the service is away it waits for it.
TestAndSetAnswer Ask(NbdTestAndSet& store, uint64_t epoch,
                     const std::string& host, Tally& tally) {
  for (;;) {
    const int starts = tally.starts;
    const auto answer = store.Acquire("vm1", epoch, host);
    if (answer.outcome != TestAndSetOutcome::kUnreachable) return answer;
    ++tally.unreachable;
    tally.starts.wait(starts);
  }
}

void ContendMain(const std::string& address, int self, std::barrier<>& round,
                 Tally& tally) {
  NbdTestAndSet store(address);
  const std::string host = "host" + std::to_string(self);
  for (uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    round.arrive_and_wait();
    const auto answer = Ask(store, epoch, host, tally);
    if (answer.outcome == TestAndSetOutcome::kAcquired) {
      ++tally.winners[epoch + 1];
      tally.winner[epoch + 1] = self;
    }
    ++tally.answers;
    tally.answers.notify_all();
  }
}

// Kills the service somewhere in the next few questions, and starts it.
void KillMain(shared_disk::DiskServiceForTest& service, Tally& tally,
              int& kills) {
  constexpr int kAllAnswers = kHosts * static_cast<int>(kEpochs);
  std::mt19937 random(1);
  for (;;) {
    const int until = tally.answers + static_cast<int>(random() % 20);
    for (int now; (now = tally.answers) < std::min(until, kAllAnswers);) {
      tally.answers.wait(now);
    }
    if (tally.answers == kAllAnswers) return;
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    service.Kill();
    ++kills;
    ASSERT_TRUE(service.Start()) << service.log();
    ++tally.starts;
    tally.starts.notify_all();
  }
}

TEST(NbdTestAndSetKill, KilledServiceLeavesOneWinnerPerEpoch) {
  shared_disk::DiskServiceForTest service({.disks = {}});
  Tally tally;
  int kills = 0;
  {
    std::barrier round(kHosts);
    std::vector<std::jthread> hosts;
    for (int i = 0; i < kHosts; ++i) {
      hosts.emplace_back(
          [&, i] { ContendMain(service.address(), i, round, tally); });
    }
    KillMain(service, tally, kills);
  }
  for (uint64_t epoch = 1; epoch <= kEpochs; ++epoch) {
    EXPECT_EQ(tally.winners[epoch], 1) << "epoch " << epoch;
  }
  const auto record = NbdTestAndSet(service.address()).Read("vm1");
  ASSERT_TRUE(record.ok()) << record.status().ToString();
  const int last = tally.winner[kEpochs];
  EXPECT_EQ(*record, (VmRecord{"vm1", kEpochs, "host" + std::to_string(last)}));
  EXPECT_GT(kills, 10);
  EXPECT_GT(tally.unreachable, 10);
}

}  // namespace
}  // namespace ft::fencing
