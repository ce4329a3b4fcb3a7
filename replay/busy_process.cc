// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/busy_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

namespace ft::replay {
namespace {

[[noreturn]] void BusyMain(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  for (std::atomic<unsigned> work = 0;;) work.fetch_add(1);
}

}  // namespace

BusyProcess::BusyProcess() {
  const pid_t self = getpid();
  pid_ = fork();
  if (pid_ == 0) BusyMain(self);
}

BusyProcess::~BusyProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace ft::replay
