// SPDX-License-Identifier: GPL-2.0-or-later
//
// ScopedFd owns one file descriptor and knows the path (or other name) that
// it was opened by, for messages. Closes on destruction. Movable; not
// thread-safe.
#pragma once

#include <unistd.h>

#include <string>
#include <utility>

namespace ft {

class ScopedFd {
 public:
  ScopedFd() = default;
  // Takes ownership of `fd`; -1 stands for none.
  explicit ScopedFd(int fd, std::string path = "")
      : fd_(fd), path_(std::move(path)) {}
  ScopedFd(ScopedFd&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
  ScopedFd& operator=(ScopedFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
      path_ = std::move(other.path_);
    }
    return *this;
  }
  ~ScopedFd() { Reset(); }

  bool valid() const { return fd_ >= 0; }
  // -1 when there is none.
  int get() const { return fd_; }
  const std::string& path() const { return path_; }
  // The caller owns the descriptor from now on.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  void Reset() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
  std::string path_;
};

}  // namespace ft
