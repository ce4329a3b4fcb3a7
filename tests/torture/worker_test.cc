// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/worker.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <stdexcept>

namespace ft::torture {
namespace {

Trial Number(int number) { return {.number = number}; }

TEST(Worker, TellsWhatTheRunFound) {
  Worker worker(Number(7), [](const Trial& trial) {
    return Outcome{.identical = true, .compared = trial.number};
  });
  const Outcome outcome = worker.Await();
  EXPECT_TRUE(outcome.identical) << outcome.failure;
  EXPECT_EQ(outcome.compared, 7);
}

// A crash is a failed run, with its reason, and not the end of the others.
TEST(Worker, DeathIsAFailureOfItsRun) {
  Worker killed(Number(1), [](const Trial&) -> Outcome {
    raise(SIGKILL);
    return {.identical = true};
  });
  Worker thrown(Number(2), [](const Trial&) -> Outcome {
    throw std::runtime_error("no reason");
  });
  const Outcome first = killed.Await();
  EXPECT_FALSE(first.identical);
  EXPECT_NE(first.failure.find("signal 9"), std::string::npos) << first.failure;
  const Outcome second = thrown.Await();
  EXPECT_FALSE(second.identical);
  EXPECT_EQ(second.failure, "no reason");
}

// Two at once have a network each: the same addresses do not collide, and
// the first to end is found.
TEST(Worker, TheOneThatEndsIsFound) {
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::make_unique<Worker>(Number(1), [](const Trial&) {
    pause();
    return Outcome{};
  }));
  workers.push_back(std::make_unique<Worker>(
      Number(2), [](const Trial&) { return Outcome{.identical = true}; }));
  ASSERT_EQ(WaitForAny(workers), 1u);
  EXPECT_TRUE(workers[1]->Await().identical);
  // The first one goes with `workers`.
}

}  // namespace
}  // namespace ft::torture
