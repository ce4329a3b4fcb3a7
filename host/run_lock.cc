// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/run_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace ft::host {

Status RunLock::Take(const std::string& path) {
  ScopedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640), path);
  if (!fd.valid()) {
    return Status::Invalid(
        fmt::format("cannot open {}: {}", path, std::strerror(errno)),
        "make run_dir writable for ftd");
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    std::string pid;
    std::ifstream(path) >> pid;
    return Status::Invalid(
        fmt::format("another ftd (pid {}) holds {}", pid, path),
        "stop it, or give this one its own run_dir");
  }
  std::string pid = fmt::format("{}\n", getpid());
  bool written =
      ftruncate(fd.get(), 0) == 0 && write(fd.get(), pid.data(), pid.size()) ==
                                         static_cast<ssize_t>(pid.size());
  if (!written) {
    return Status::Invalid(
        fmt::format("cannot write {}: {}", path, std::strerror(errno)),
        "make room on run_dir's file system");
  }
  fd_ = std::move(fd);
  return Status::Ok();
}

}  // namespace ft::host
