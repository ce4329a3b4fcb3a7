// SPDX-License-Identifier: GPL-2.0-or-later
//
// BusyProcess: contention for CPU time from outside the engines. A child
// process that computes as long as this object lives, and no longer.
#pragma once

#include <sys/types.h>

namespace ft::replay {

class BusyProcess {
 public:
  BusyProcess();
  ~BusyProcess();
  BusyProcess(const BusyProcess&) = delete;
  BusyProcess& operator=(const BusyProcess&) = delete;

 private:
  pid_t pid_;
};

}  // namespace ft::replay
