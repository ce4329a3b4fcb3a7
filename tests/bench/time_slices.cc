// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/time_slices.h"

#include <algorithm>

namespace ft::bench {

void TimeSlices::Turn(size_t who, Time now) {
  slices_.push_back({.from = now, .who = who});
}

void TimeSlices::End(Time now) {
  slices_.push_back({.from = now, .who = kBoth});
}

double TimeSlices::Had(size_t who, Time begin, Time end) const {
  std::chrono::duration<double> had{0};
  for (size_t i = 0; i < slices_.size(); ++i) {
    if (slices_[i].who != who && slices_[i].who != kBoth) continue;
    const Time from = std::max(begin, slices_[i].from);
    const Time to =
        i + 1 < slices_.size() ? std::min(end, slices_[i + 1].from) : end;
    if (to > from) had += to - from;
  }
  return had.count();
}

}  // namespace ft::bench
