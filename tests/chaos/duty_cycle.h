// SPDX-License-Identifier: GPL-2.0-or-later
//
// DutyCycle: processes that get only a share of the time. They are stopped
// and continued by signals, 50 ms a period, as long as this object lives;
// what a host with other work to do looks like, on one host of two that
// share a machine.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ft::chaos {

class DutyCycle {
 public:
  // They run for `percent` of the time, 1 to 99.
  DutyCycle(std::vector<pid_t> pids, int percent);
  // All of them run again.
  ~DutyCycle();
  DutyCycle(const DutyCycle&) = delete;
  DutyCycle& operator=(const DutyCycle&) = delete;

 private:
  void CycleMain();
  void Signal(int signal) const;

  const std::vector<pid_t> pids_;
  const int percent_;
  std::atomic<bool> stop_{false};
  std::jthread thread_;
};

}  // namespace ft::chaos
