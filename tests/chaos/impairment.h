// SPDX-License-Identifier: GPL-2.0-or-later
//
// How a cable misbehaves (link.h), as values.
//
// Fault model, each direction on its own:
//   delay, jitter    each frame later by delay + uniform [0, jitter]; order is
//                    kept unless `reorder`
//   loss, duplicate  a frame is dropped, or sent twice, with a probability
//   reorder          a frame overtakes those that wait, with a probability:
//                    it skips the delay
//   cut              nothing goes this way (one-way cut: set one direction)
//   mbit_per_s       frames leave no faster; those that would wait for more
//                    than `queue_ms` at this rate are dropped
// Left out on purpose: corruption of frames (TCP's checksum drops them: the
// same as loss). Damage that TCP delivers is tcp_injector.h's.
#pragma once

#include <cstdint>
#include <string>

namespace ft::chaos {

// kOutward: from the host to the switch; kInward: to the host.
enum class Direction { kOutward, kInward };

// One direction's behaviour. The default is a perfect cable.
struct Impairment {
  double delay_ms = 0;
  double jitter_ms = 0;
  double loss = 0;  // probabilities, 0 to 1
  double duplicate = 0;
  double reorder = 0;
  bool cut = false;
  double mbit_per_s = 0;  // 0: as fast as it goes
  double queue_ms = 100;  // meaningless without mbit_per_s

  bool operator==(const Impairment&) const = default;
};

// What went through one direction; all of them only grow.
struct LinkCounts {
  uint64_t received = 0;
  uint64_t forwarded = 0;  // a frame sent twice counts twice
  uint64_t lost = 0;       // by `loss`
  uint64_t cut = 0;        // by `cut`
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t overflowed = 0;  // by mbit_per_s, or more frames than are kept
  // Deeds of the injector that were done.
  uint64_t corrupted = 0;
  uint64_t truncated = 0;
};

std::string ToJson(const Impairment& impairment);
std::string ToJson(const LinkCounts& counts);
// Throw std::runtime_error, one line, for a field that is missing, unknown or
// out of range.
Impairment ImpairmentFromJson(const std::string& json);
LinkCounts LinkCountsFromJson(const std::string& json);

}  // namespace ft::chaos
