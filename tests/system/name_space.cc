// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/name_space.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "tests/system/child_process.h"

namespace ft::bed {
namespace {

ScopedFd OpenOrThrow(const std::string& path) {
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC), path);
  if (!fd.valid()) throw BedError(path + ": " + strerror(errno));
  return fd;
}

}  // namespace

InNamespace::InNamespace(const std::string& name)
    : home_(OpenOrThrow("/proc/thread-self/ns/net")) {
  const ScopedFd other = OpenOrThrow("/run/netns/" + name);
  if (setns(other.get(), CLONE_NEWNET) == 0) return;
  throw BedError(other.path() + ": " + strerror(errno));
}

// A thread that cannot come home would do the rest of its work elsewhere.
InNamespace::~InNamespace() {
  if (setns(home_.get(), CLONE_NEWNET) != 0) abort();
}

}  // namespace ft::bed
