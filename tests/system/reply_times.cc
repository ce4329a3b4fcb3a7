// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/reply_times.h"

#include <time.h>

#include <algorithm>
#include <cstddef>

namespace ft::bed {

double LongestGapMs(const std::vector<int64_t>& times_ns, int64_t from_ns,
                    int64_t to_ns) {
  int64_t longest = 0;
  for (size_t i = 1; i < times_ns.size(); ++i) {
    if (times_ns[i] < from_ns || times_ns[i] >= to_ns) continue;
    longest = std::max(longest, times_ns[i] - times_ns[i - 1]);
  }
  return static_cast<double>(longest) / 1e6;
}

double Percentile(std::vector<double>& values, double fraction) {
  if (values.empty()) return 0;
  const auto rank =
      static_cast<size_t>(fraction * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(),
                   values.begin() + static_cast<ptrdiff_t>(rank), values.end());
  return values[rank];
}

int64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace ft::bed
