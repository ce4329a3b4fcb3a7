// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/iscsi_layout.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "logchannel/check.h"
#include "logchannel/crc32c.h"

namespace ft::fencing::iscsi {
namespace {

uint32_t Crc(std::string_view bytes) {
  return logchannel::Crc32c(std::as_bytes(std::span(bytes)));
}

// `block` as the front of a whole block of zeroes, with its checksum.
template <typename Block>
std::string WholeBlock(Block block, uint32_t block_size) {
  FT_CHECK(block_size >= sizeof block) << block_size;
  std::string bytes(block_size, '\0');
  std::memcpy(bytes.data(), &block, sizeof block);
  const uint32_t crc =
      Crc(std::string_view(bytes).substr(0, offsetof(Block, crc32c)));
  std::memcpy(bytes.data() + offsetof(Block, crc32c), &crc, sizeof crc);
  return bytes;
}

template <typename Block>
Block Front(std::string_view bytes) {
  Block block;
  std::memcpy(&block, bytes.data(), sizeof block);
  return block;
}

void Put(std::string_view name, std::array<char, 64>* out) {
  FT_CHECK(name.size() < out->size()) << name;
  out->fill('\0');
  std::copy(name.begin(), name.end(), out->begin());
}

// Up to the first zero; the whole of a field that has none.
std::string Get(const std::array<char, 64>& field) {
  return std::string(field.begin(),
                     std::find(field.begin(), field.end(), '\0'));
}

}  // namespace

std::string EncodeHeader(uint32_t block_size) {
  return WholeBlock(HeaderBlock{.magic = kHeaderMagic,
                                .version = kVersion,
                                .block_size = block_size,
                                .vm_table = kVmTable,
                                .scratch_table = kScratchTable,
                                .crc32c = 0},
                    block_size);
}

HeaderIs LookAtHeader(std::string_view block) {
  if (IsBlank(block)) return HeaderIs::kBlank;
  if (block == EncodeHeader(static_cast<uint32_t>(block.size()))) {
    return HeaderIs::kOurs;
  }
  const bool magic = Front<HeaderBlock>(block).magic == kHeaderMagic;
  return magic ? HeaderIs::kOther : HeaderIs::kForeign;
}

std::string EncodeRecordBlock(const VmRecord& record, uint32_t block_size) {
  RecordBlock block = {.magic = kRecordMagic,
                       .version = kVersion,
                       .zero = 0,
                       .epoch = record.epoch,
                       .vm = {},
                       .holder = {},
                       .crc32c = 0,
                       .zero2 = 0};
  Put(record.vm, &block.vm);
  Put(record.holder, &block.holder);
  return WholeBlock(block, block_size);
}

// Reads leniently, then insists that encoding gives the same bytes.
std::optional<VmRecord> DecodeRecordBlock(std::string_view bytes) {
  if (bytes.size() < sizeof(RecordBlock)) return std::nullopt;
  const auto block = Front<RecordBlock>(bytes);
  VmRecord record{
      .vm = Get(block.vm), .epoch = block.epoch, .holder = Get(block.holder)};
  const bool valid =
      record.epoch > 0 && record.epoch + 1 != 0 &&
      ValidateName("VM name", record.vm).ok() &&
      (record.released() || ValidateName("host name", record.holder).ok());
  if (!valid ||
      EncodeRecordBlock(record, static_cast<uint32_t>(bytes.size())) != bytes) {
    return std::nullopt;
  }
  return record;
}

bool IsBlank(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char c) { return c == '\0'; });
}

uint32_t FirstBlock(const Table& table, std::string_view vm) {
  return table.first + Crc(vm) % table.count;
}

}  // namespace ft::fencing::iscsi
