// SPDX-License-Identifier: GPL-2.0-or-later
//
// ScratchDirectory: an empty directory, removed at the end. In memory,
// because most tests sync often and prove nothing about a disk.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "logchannel/check.h"

namespace ft::shared_disk {

class ScratchDirectory {
 public:
  explicit ScratchDirectory(const std::string& parent = "/dev/shm") {
    std::string name = parent + "/lockstep-disk-test." + std::string(6, 'X');
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

}  // namespace ft::shared_disk
