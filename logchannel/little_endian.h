// SPDX-License-Identifier: GPL-2.0-or-later
//
// 32-bit words as they lie in log, frames and datagrams: little endian,
// unaligned. Pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace ft::logchannel {

// Lockstep runs x86-64 guests on x86-64 hosts; a big-endian host would need
// byte swaps here and in the engine's ring.
static_assert(std::endian::native == std::endian::little);

inline uint32_t LoadU32(std::span<const std::byte, 4> bytes) {
  uint32_t value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

inline void StoreU32(uint32_t value, std::span<std::byte, 4> out) {
  std::memcpy(out.data(), &value, sizeof value);
}

}  // namespace ft::logchannel
