// SPDX-License-Identifier: GPL-2.0-or-later
//
// What is made of the times at which replies came. Pure.
#pragma once

#include <cstdint>
#include <vector>

namespace ft::bed {

// The longest time in milliseconds between neighbours of `times_ns` (sorted)
// whose second lies at or after `from_ns` and before `to_ns`; 0 without any.
double LongestGapMs(const std::vector<int64_t>& times_ns, int64_t from_ns,
                    int64_t to_ns);

// The value below which `fraction` of them lie; 0 of none. Reorders.
double Percentile(std::vector<double>& values, double fraction);

// CLOCK_MONOTONIC.
int64_t MonotonicNs();

}  // namespace ft::bed
