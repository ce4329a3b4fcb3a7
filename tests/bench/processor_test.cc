// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/processor.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <thread>

namespace ft::bench {
namespace {

int AllowedProcessors() {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0
             ? CPU_COUNT(&allowed)
             : -1;
}

TEST(BindToProcessorTest, WhatAThreadStartsStaysThere) {
  // In a process of its own: this one goes on with all processors.
  EXPECT_EXIT(
      {
        const bool bound = BindToProcessor(getpid(), 0).ok();
        int later = 0;
        std::jthread([&] { later = AllowedProcessors(); }).join();
        _exit(bound && AllowedProcessors() == 1 && later == 1 ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(BindToProcessorTest, MachineWithoutThatOneSaysSo) {
  const Status bound = BindToProcessor(getpid(), CPU_SETSIZE);
  EXPECT_NE(bound.ToString().find("--processors shared"), std::string::npos)
      << bound.ToString();
  EXPECT_GE(AllowedProcessors(), 1);
}

TEST(BindToProcessorTest, ProcessThatIsGoneIsAnError) {
  EXPECT_FALSE(BindToProcessor(1 << 30, 0).ok());
}

}  // namespace
}  // namespace ft::bench
