// SPDX-License-Identifier: GPL-2.0-or-later
//
// FaultyDisk: an image behind an nbdkit of its own, which is slow, or answers
// with EIO while it is told to. An engine opens it as path().
#pragma once

#include <memory>
#include <string>

#include "replay/engine_process.h"

namespace ft::torture {

class FaultyDisk {
 public:
  // kSlow: each read and each write takes 50 ms, and none fails.
  enum class Fault { kReadsFail, kChangesFail, kSlow };

  // FT_CHECKs that nbdkit runs and listens.
  FaultyDisk(const std::string& image, Fault fault);
  ~FaultyDisk();
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  // "nbd://127.0.0.1:PORT/disk".
  const std::string& path() const { return path_; }
  void Fail(bool on);

 private:
  std::string directory_;
  std::string path_;
  std::unique_ptr<replay::EngineProcess> nbdkit_;
};

}  // namespace ft::torture
