// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/trace.h"

#include <algorithm>
#include <cstdio>

namespace ft::sim {
namespace {

void Replace(std::string& text, const char* mark, uint64_t number) {
  const size_t at = text.find(mark);
  if (at != std::string::npos) text.replace(at, 2, std::to_string(number));
}

}  // namespace

std::string Trace::Tell(size_t lines) const {
  std::string told;
  const uint64_t kept = std::min<uint64_t>({count_, kKept, lines});
  for (uint64_t i = count_ - kept; i < count_; ++i) {
    const Line& line = notes_[i % kKept];
    std::string what = line.what;
    Replace(what, "%1", line.first);
    Replace(what, "%2", line.second);
    const char* who = line.host == 0   ? "hostA"
                      : line.host == 1 ? "hostB"
                                       : "world";
    char head[48];
    std::snprintf(head, sizeof head, "%10.3f ms  %s  ",
                  static_cast<double>(line.at) / kMs, who);
    told += head + what + "\n";
  }
  return told;
}

}  // namespace ft::sim
