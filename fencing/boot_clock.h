// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clock of the output lease: CLOCK_BOOTTIME, which the engine reads too.
// Not the steady_clock of everything else: that one stands still while the
// host is suspended, and the lease must not.
#pragma once

#include <ctime>

#include "fencing/failure_detector.h"

namespace ft::fencing {

// An Instant of another clock: never compare it with steady_clock's.
inline Instant BootNow() {
  timespec now = {};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return Instant(std::chrono::seconds(now.tv_sec) +
                 std::chrono::nanoseconds(now.tv_nsec));
}

}  // namespace ft::fencing
