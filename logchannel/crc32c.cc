// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace ft::logchannel {
namespace {

// ISA-L counts in int.
constexpr size_t kStepMax = 1u << 30;

}  // namespace

uint32_t Crc32c(std::span<const std::byte> bytes) {
  return Crc32cExtend(0, bytes);
}

uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes) {
  // crc32_iscsi is the bare polynomial division: the inversions before and
  // after, which are part of CRC32C, are the caller's.
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    auto step = bytes.first(std::min(bytes.size(), kStepMax));
    // Not const in ISA-L's signature, but only read.
    auto* start =
        reinterpret_cast<unsigned char*>(const_cast<std::byte*>(step.data()));
    state = crc32_iscsi(start, static_cast<int>(step.size()), state);
    bytes = bytes.subspan(step.size());
  }
  return ~state;
}

}  // namespace ft::logchannel
