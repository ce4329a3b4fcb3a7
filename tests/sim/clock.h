// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clock: what one host's monotonic clock shows. It starts anywhere, runs up
// to 500 ppm fast or slow, and once in a run it may stand still for up to 4
// ms (a long interrupt, a migrated guest) and never catch up. It does not
// stop while processes or the host are frozen. That is the bound which
// fencing/output_lease.h counts on.
#pragma once

#include "fencing/failure_detector.h"
#include "tests/sim/random.h"
#include "tests/sim/schedule.h"

namespace ft::sim {

class Clock {
 public:
  explicit Clock(Random& random)
      : begin_(random.Between(3600, 360000) * kSecond),
        ppm_(random.Between(-500, 500)),
        stall_at_(random.Between(0, 6000) * kMs),
        stall_for_(random.Chance(30) ? random.Between(0, 4000) * kUs : 0) {}

  fencing::Instant Read(Time now) const {
    const Time stood = std::clamp<Time>(now - stall_at_, 0, stall_for_);
    const Time ran = now - stood;
    return fencing::Instant(
        std::chrono::nanoseconds(begin_ + ran + ran / 1000 * ppm_ / 1000));
  }

 private:
  Time begin_;
  int64_t ppm_;
  Time stall_at_, stall_for_;
};

}  // namespace ft::sim
