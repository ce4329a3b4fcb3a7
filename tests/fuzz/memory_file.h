// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file in memory that has a path, for parsers that open one. FT_CHECKs that
// the system gives it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::fuzz {

class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("fuzz", MFD_CLOEXEC)) { FT_CHECK(fd_ >= 0); }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  // All of it, from now on.
  void Write(Input bytes) {
    FT_CHECK(ftruncate(fd_, 0) == 0);
    FT_CHECK(pwrite(fd_, bytes.data(), bytes.size(), 0) ==
             static_cast<ssize_t>(bytes.size()));
  }

 private:
  const int fd_;
};

}  // namespace ft::fuzz
