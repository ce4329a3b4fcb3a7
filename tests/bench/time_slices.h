// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which of two machines ran when, while they took turns, and how much of a
// stretch of time either of them had. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace ft::bench {

class TimeSlices {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // From `now` on `who` runs, and the other one does not.
  void Turn(size_t who, Time now);
  // From `now` on both run.
  void End(Time now);

  // How many seconds from `begin` to `end` were `who`'s.
  double Had(size_t who, Time begin, Time end) const;

 private:
  static constexpr size_t kBoth = 2;
  struct Slice {
    Time from;
    size_t who;
  };
  std::vector<Slice> slices_;  // each until the next one
};

}  // namespace ft::bench
