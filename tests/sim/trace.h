// SPDX-License-Identifier: GPL-2.0-or-later
//
// Trace: the last events of a run, told when something went wrong. Notes are
// a format and three numbers, printed only then, so that the millions of
// good runs cost nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "tests/sim/random.h"
#include "tests/sim/schedule.h"

namespace ft::sim {

class Trace {
 public:
  static constexpr size_t kKept = 256;

  // `what` lives for ever; "%1", "%2" stand for the numbers. `host` -1: the
  // world.
  void Note(Time at, int host, const char* what, uint64_t first = 0,
            uint64_t second = 0) {
    notes_[count_++ % kKept] = {at, host, what, first, second};
    Digest(at, host, first * 31 + second);
  }
  // Of what is not worth a line.
  void Digest(Time at, int host, uint64_t number) {
    const auto when = static_cast<uint64_t>(at * 4 + host);
    digest_ = Random::Mix(digest_ ^ when) + number;
  }
  // The newest `lines` of them, oldest first, one a line.
  std::string Tell(size_t lines) const;
  // Of everything that was ever noted; for the comparison of two runs.
  uint64_t digest() const { return digest_; }

 private:
  struct Line {
    Time at;
    int host;
    const char* what;
    uint64_t first, second;
  };
  std::array<Line, kKept> notes_;
  uint64_t count_ = 0;
  uint64_t digest_ = 0;
};

}  // namespace ft::sim
