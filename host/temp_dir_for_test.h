// SPDX-License-Identifier: GPL-2.0-or-later
//
// TempDir: a fresh directory that is gone with this object.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace ft::host {

class TempDir {
 public:
  TempDir() {
    path_ = "/tmp/lockstep-test." + std::string(6, 'X');
    if (mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const {
    return path_ + "/" + name;
  }

 private:
  std::string path_;
};

}  // namespace ft::host
