// SPDX-License-Identifier: GPL-2.0-or-later
//
// Contenders that are killed at a random moment of their question: after
// each, whoever was told that it won holds the record, and the record can
// be taken further.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "fencing/file_test_and_set.h"
#include "fencing/scratch_directory.h"

namespace ft::fencing {
namespace {

constexpr uint64_t kRounds = 300;

// hostA and hostB ask for `epoch` at once and die by their own alarm clock,
// which does not depend on when we are scheduled, after `delay_us`.
// The names of those who were told that they won, one after the other.
std::string ContendAndDie(FileTestAndSet& store, uint64_t epoch,
                          unsigned delay_us) {
  int ends[2];
  FT_CHECK(pipe(ends) == 0) << "pipe";
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = fork();
    FT_CHECK(children[i] >= 0) << "fork";
    if (children[i] != 0) continue;
    const std::string host = i ? "hostB" : "hostA";
    ualarm(delay_us, 0);
    const auto answer = store.Acquire("vm1", epoch, host);
    const bool won = answer.outcome == TestAndSetOutcome::kAcquired;
    _exit(won && write(ends[1], host.data(), host.size()) < 0);
  }
  close(ends[1]);
  for (pid_t child : children) waitpid(child, nullptr, 0);
  char told[32];
  const ssize_t size = read(ends[0], told, sizeof told);
  close(ends[0]);
  return std::string(told, size > 0 ? static_cast<size_t>(size) : 0);
}

TEST(FileTestAndSetKill, KilledContendersLeaveOneTruth) {
  const ScratchDirectory scratch;
  FileTestAndSet store(scratch.path());
  std::mt19937 random(1);
  // Follows the machine's speed, so that death comes too late about as
  // often as too early, and now and then in between.
  double window_us = 600;
  uint64_t told = 0;
  for (uint64_t epoch = 0; epoch < kRounds; ++epoch) {
    const unsigned delay_us = 1 + random() % static_cast<unsigned>(window_us);
    const std::string winner = ContendAndDie(store, epoch, delay_us);
    const auto read = store.Read("vm1");
    ASSERT_TRUE(read.ok()) << read.status().ToString();
    const std::optional<VmRecord>& record = *read;
    window_us = winner.empty() ? window_us * 1.2 : window_us / 1.2 + 1;
    if (!winner.empty()) {
      ++told;
      ASSERT_EQ(record, (VmRecord{"vm1", epoch + 1, winner}));
    }
    const bool taken = record && record->epoch == epoch + 1;
    ASSERT_EQ(
        store.Acquire("vm1", epoch, taken ? record->holder : "hostC").outcome,
        TestAndSetOutcome::kAcquired);
  }
  EXPECT_GT(told, 0u);
  EXPECT_LT(told, kRounds);
}

}  // namespace
}  // namespace ft::fencing
