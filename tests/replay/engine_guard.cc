// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/engine_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace ft::replay {
namespace {

constexpr int kLifeline = 0;
constexpr int kPidfd = 1;

// Keeps nothing of the test's but these two descriptors: another guard's
// lifeline in here would never close.
[[noreturn]] void GuardMain(int lifeline, int pidfd,
                            const std::string& directory) {
  setsid();
  const int spare = fcntl(pidfd, F_DUPFD, kPidfd + 1);
  dup2(lifeline, kLifeline);
  dup2(spare, kPidfd);
  close_range(kPidfd + 1, ~0u, 0);
  char none;
  while (read(kLifeline, &none, 1) > 0) {
  }
  syscall(SYS_pidfd_send_signal, kPidfd, SIGKILL, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  _exit(0);
}

}  // namespace

EngineGuard::EngineGuard(int pidfd, const std::string& directory) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return;
  guard_ = fork();
  if (guard_ == 0) GuardMain(ends[0], pidfd, directory);
  close(ends[0]);
  lifeline_ = ScopedFd(ends[1]);
}

EngineGuard::~EngineGuard() {
  lifeline_.Reset();
  if (guard_ > 0) waitpid(guard_, nullptr, 0);
}

}  // namespace ft::replay
