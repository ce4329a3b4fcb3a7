// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/check.h"

#include <cstdio>
#include <cstdlib>

namespace ft::internal {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  words_ << file << ":" << line << ": FT_CHECK(" << condition << ") failed: ";
}

CheckFailure::~CheckFailure() {
  words_ << "\n";
  std::fputs(words_.str().c_str(), stderr);
  std::fflush(stderr);
  std::abort();
}

}  // namespace ft::internal
