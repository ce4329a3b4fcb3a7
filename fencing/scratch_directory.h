// SPDX-License-Identifier: GPL-2.0-or-later
//
// ScratchDirectory: for tests, an empty directory in memory that is removed
// at the end. In memory because these tests sync thousands of times and
// prove nothing about a disk.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "logchannel/check.h"

namespace ft::fencing {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string name = "/dev/shm/lockstep-test." + std::string(6, 'X');
    FT_CHECK(mkdtemp(name.data()) != nullptr) << name;
    path_ = name;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void WriteFile(const std::filesystem::path& path,
                      const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

}  // namespace ft::fencing
