// SPDX-License-Identifier: GPL-2.0-or-later
//
// EngineGuard: an engine survives its ftd on purpose, so it would survive a
// test that ctest kills for taking too long. The guard is a child process
// that waits for the test process to go, in whatever way, and then ends the
// engine (by pidfd) and removes its rings.
#pragma once

#include <sys/types.h>

#include <string>

#include "logchannel/scoped_fd.h"

namespace ft::replay {

class EngineGuard {
 public:
  // Forks; to be called while the process has one thread. `directory` is
  // removed with all that is in it.
  EngineGuard(int pidfd, const std::string& directory);
  // Lets the guard do its work now, and waits for it.
  ~EngineGuard();
  EngineGuard(const EngineGuard&) = delete;
  EngineGuard& operator=(const EngineGuard&) = delete;

 private:
  ScopedFd lifeline_;  // closed by the kernel when this process ends
  pid_t guard_ = -1;
};

}  // namespace ft::replay
