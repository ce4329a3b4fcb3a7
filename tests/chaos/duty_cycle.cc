// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/duty_cycle.h"

#include <signal.h>

#include <chrono>

namespace ft::chaos {
namespace {

constexpr std::chrono::milliseconds kPeriod{50};

}  // namespace

DutyCycle::DutyCycle(std::vector<pid_t> pids, int percent)
    : pids_(std::move(pids)), percent_(percent) {
  thread_ = std::jthread([this] { CycleMain(); });
}

DutyCycle::~DutyCycle() {
  stop_ = true;
  thread_.join();
  Signal(SIGCONT);
}

// A process that is gone is nobody else yet: the kernel hands a number out
// again only after all others.
void DutyCycle::Signal(int signal) const {
  for (const pid_t pid : pids_) kill(pid, signal);
}

void DutyCycle::CycleMain() {
  while (!stop_) {
    Signal(SIGCONT);
    std::this_thread::sleep_for(kPeriod * percent_ / 100);
    Signal(SIGSTOP);
    std::this_thread::sleep_for(kPeriod * (100 - percent_) / 100);
  }
}

}  // namespace ft::chaos
