// SPDX-License-Identifier: GPL-2.0-or-later
//
// Random: splitmix64. The standard's distributions differ from library to
// library; a seed has to mean the same run everywhere.
#pragma once

#include <cstdint>

namespace ft::sim {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15u;
    return Mix(state_);
  }
  // From `low` to `high`, both included.
  int64_t Between(int64_t low, int64_t high) {
    const auto span = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(Next() % span);
  }
  bool Chance(int percent) { return Next() % 100 < uint64_t(percent); }

  static uint64_t Mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

 private:
  uint64_t state_;
};

}  // namespace ft::sim
