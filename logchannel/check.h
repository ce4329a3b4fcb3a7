// SPDX-License-Identifier: GPL-2.0-or-later
//
// FT_CHECK: the process stops here rather than go on with a broken
// invariant of our own. On in release builds. Halting is safe because the
// test-and-set, not this process, decides who runs the VM.
//
//     FT_CHECK(position <= committed) << "position " << position
//                                     << ", committed " << committed;
//
// Never for what a peer, a file or a user got wrong: that is a Status.
#pragma once

#include <sstream>

namespace ft::internal {

// Collects the streamed words; its destructor prints one line to stderr and
// aborts.
class CheckFailure {
 public:
  CheckFailure(const char* file, int line, const char* condition);
  CheckFailure(const CheckFailure&) = delete;
  CheckFailure& operator=(const CheckFailure&) = delete;
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return words_; }

 private:
  std::ostringstream words_;
};

// Gives both branches of FT_CHECK's conditional the type void; & binds
// weaker than << and tighter than ?:.
struct Voidify {
  void operator&(std::ostream&) const {}
};

}  // namespace ft::internal

#define FT_CHECK(condition)                                              \
  __builtin_expect(static_cast<bool>(condition), 1)                      \
      ? (void)0                                                          \
      : ::ft::internal::Voidify() &                                      \
            ::ft::internal::CheckFailure(__FILE__, __LINE__, #condition) \
                .stream()
