// SPDX-License-Identifier: GPL-2.0-or-later
//
// What Lockstep keeps on a LUN (iscsi_test_and_set.h has how it is used).
// One logical block, of 512 or 4096 bytes, is the unit of COMPARE AND WRITE
// and of everything here:
//
//     block 0                 header, see HeaderBlock
//     block 1 to 1024         the records of VMs: a hash table
//     block 1025              who uses the scratch records; zero: nobody
//     block 1026 to 1279      scratch records of `ftctl fencing test`
//
// A record's block is zero, or a RecordBlock and zeroes. A block that was
// once given to a VM is its own for ever, whatever becomes of the VM:
//
//     zero --first start of vm1--> {vm1, 1, hostA} --> {vm1, 2, hostB} ...
//
// A VM's block is the first of its name from the block on that its name's
// hash gives, going on to the next one and from the last to the first; a
// zero block ends the search, and is where a new VM goes. Two hosts that
// start the same new VM find the same zero block, and COMPARE AND WRITE
// gives it to one of them. As no block is ever given back, no search ever
// ends too early.
//
// All integers are little-endian. Version rule: the numbers in kHeaderMagic's
// and kRecordMagic's `version` change with any change here; a reader refuses
// any other.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "fencing/test_and_set.h"

namespace ft::fencing::iscsi {

static_assert(std::endian::native == std::endian::little);

inline constexpr uint32_t kVersion = 1;
inline constexpr std::array<char, 8> kHeaderMagic = {'L', 'O', 'C', 'K',
                                                     'S', 'T', 'E', 'P'};
inline constexpr std::array<char, 8> kRecordMagic = {'F', 'T', 'R', 'E',
                                                     'C', 'O', 'R', 'D'};

// A stretch of blocks that is a hash table of records.
struct Table {
  uint32_t first = 0;
  uint32_t count = 0;
};
// One VM per block: many times what two hosts can run. Half full, a search
// looks at one or two blocks.
inline constexpr Table kVmTable = {.first = 1, .count = 1024};
inline constexpr uint32_t kScratchLockBlock = 1025;
inline constexpr Table kScratchTable = {.first = 1026, .count = 254};
// 640 KiB, or 5 MiB with large blocks.
inline constexpr uint32_t kBlocks = 1280;
static_assert(kVmTable.first + kVmTable.count == kScratchLockBlock);
static_assert(kScratchTable.first + kScratchTable.count == kBlocks);

struct HeaderBlock {
  std::array<char, 8> magic;
  uint32_t version;
  // Bytes in a block: a LUN whose blocks have changed size is another LUN.
  uint32_t block_size;
  Table vm_table;
  Table scratch_table;
  // Of the bytes above.
  uint32_t crc32c;
};
static_assert(offsetof(HeaderBlock, vm_table) == 16);
static_assert(offsetof(HeaderBlock, crc32c) == 32);
static_assert(sizeof(HeaderBlock) == 36);
static_assert(std::is_trivially_copyable_v<HeaderBlock>);

struct RecordBlock {
  std::array<char, 8> magic;
  uint32_t version;
  uint32_t zero;
  uint64_t epoch;
  // Padded with zeroes, at least one.
  std::array<char, 64> vm;
  // The same; all zeroes when the VM is released.
  std::array<char, 64> holder;
  // Of the bytes above.
  uint32_t crc32c;
  uint32_t zero2;
};
static_assert(offsetof(RecordBlock, epoch) == 16);
static_assert(offsetof(RecordBlock, vm) == 24);
static_assert(offsetof(RecordBlock, holder) == 88);
static_assert(offsetof(RecordBlock, crc32c) == 152);
static_assert(sizeof(RecordBlock) == 160);
static_assert(std::is_trivially_copyable_v<RecordBlock>);

// Whole blocks, as bytes that can be compared and written. `block_size` is
// 512 at least.
std::string EncodeHeader(uint32_t block_size);
std::string EncodeRecordBlock(const VmRecord& record, uint32_t block_size);

enum class HeaderIs {
  kOurs,
  // All zeroes: nothing was ever written here.
  kBlank,
  // Ours, but of another version or for another size of block, or damaged.
  kOther,
  // Whatever it is, it is not Lockstep's.
  kForeign,
};
HeaderIs LookAtHeader(std::string_view block);

// The record of a block that is not blank; none if it is damaged. Accepts
// exactly what EncodeRecordBlock writes.
std::optional<VmRecord> DecodeRecordBlock(std::string_view block);

bool IsBlank(std::string_view bytes);

// The block of `table` at which the search for `vm` begins.
uint32_t FirstBlock(const Table& table, std::string_view vm);

}  // namespace ft::fencing::iscsi
