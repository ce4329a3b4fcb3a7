// SPDX-License-Identifier: GPL-2.0-or-later
//
// RunLock: one ftd per run_dir. A flock on run_dir/ftd.lock, which the kernel
// drops with the process: no stale lock after a crash, and whoever holds it
// may replace the sockets of a dead predecessor.
#pragma once

#include <string>

#include "logchannel/scoped_fd.h"
#include "logchannel/status.h"

namespace ft::host {

class RunLock {
 public:
  // kInvalid, with the other's pid, when another ftd holds it.
  Status Take(const std::string& path);

 private:
  ScopedFd fd_;
};

}  // namespace ft::host
