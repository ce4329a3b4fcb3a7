// SPDX-License-Identifier: GPL-2.0-or-later
//
// CRC32C (Castagnoli, the CRC of iSCSI, RFC 3720 B.4), computed by ISA-L
// with the processor's own instruction. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace ft::logchannel {

// Of `bytes` alone. Crc32c("123456789") is 0xe3069283.
uint32_t Crc32c(std::span<const std::byte> bytes);

// Of what `crc` covers, followed by `bytes`:
// Crc32cExtend(Crc32c(a), b) == Crc32c(a then b), Crc32c of nothing is 0.
uint32_t Crc32cExtend(uint32_t crc, std::span<const std::byte> bytes);

}  // namespace ft::logchannel
