// SPDX-License-Identifier: GPL-2.0-or-later
//
// ForkedChild: a part of this program in a process of its own, which ends
// with its parent, so that no engine of a test outlives it.
#pragma once

#include <sys/types.h>

#include <functional>

namespace ft::replay {

class ForkedChild {
 public:
  // Forks; the caller has one thread. `body` runs in the child, whose exit
  // code is 0 when it returns and 1 when it throws. Throws std::system_error.
  explicit ForkedChild(const std::function<void()>& body);
  // SIGKILL, if it lives still.
  ~ForkedChild();
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;

  // Until it has ended; what waitpid(2) says of it.
  int Await();

 private:
  pid_t pid_ = -1;  // -1 once it was waited for
};

}  // namespace ft::replay
