// SPDX-License-Identifier: GPL-2.0-or-later
//
// Record: who may write the disks of one VM, as the disk service keeps it
// and as a test-and-set reads and writes it over NBD. Little endian:
//
//      0       8         12       16      24          88          152    252
//     +-------+---------+--------+-------+-----------+-----------+------+-----+
//     | magic | version | 0      | epoch | vm        | holder    | 0    | crc |
//     +-------+---------+--------+-------+-----------+-----------+------+-----+
//       8       4         4        8       64          64          100    4
//
// Names are padded with zeros; an empty holder says that the VM was stopped
// and is free. The crc is CRC32C of all bytes before it. 256 zeros are the
// record of a VM that was never started.
//
// A test-and-set is one NBD write of 512 bytes at offset 0 of the VM's
// record export: the record that is expected there, then the one that is to
// take its place (docs/shared-disk.md has both in bytes).
//
// Version rule: a change here is a new version; a reader refuses any other.
// Pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "logchannel/status.h"

namespace ft::shared_disk {

struct Record {
  std::string vm;
  // Grows by one at every change of who runs the VM; the first is 1.
  uint64_t epoch = 0;
  // The host that may write; empty if the VM was stopped and is free.
  std::string holder;

  bool released() const { return holder.empty(); }
  friend bool operator==(const Record&, const Record&) = default;
};

inline constexpr size_t kRecordBytes = 256;
// Expected and wanted, in this order.
inline constexpr size_t kTestAndSetBytes = 2 * kRecordBytes;

using RecordBytes = std::array<std::byte, kRecordBytes>;

// Names must be IsName() (but for the empty holder), epoch not 0.
RecordBytes EncodeRecord(const std::optional<Record>& record);

// Accepts exactly what EncodeRecord makes. kInvalid otherwise: a record that
// makes no sense is never guessed at.
Result<std::optional<Record>> DecodeRecord(
    std::span<const std::byte, kRecordBytes> bytes);

// "epoch 8, held by hostB", "epoch 9, released", "no record".
std::string Describe(const std::optional<Record>& record);

// What a VM, host or disk may be called: 1 to 63 of A-Z a-z 0-9 . _ -, the
// first a letter or digit.
bool IsName(std::string_view text);

}  // namespace ft::shared_disk
