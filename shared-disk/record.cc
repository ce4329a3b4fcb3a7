// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/record.h"

#include <algorithm>
#include <cstring>

#include "logchannel/crc32c.h"

namespace ft::shared_disk {
namespace {

constexpr char kMagic[8] = {'F', 'T', 'R', 'E', 'C', 'O', 'R', 'D'};
constexpr uint32_t kVersion = 1;
constexpr size_t kNameBytes = 64;
constexpr size_t kLongestName = kNameBytes - 1;

constexpr size_t kVersionAt = 8;
constexpr size_t kEpochAt = 16;
constexpr size_t kVmAt = 24;
constexpr size_t kHolderAt = kVmAt + kNameBytes;
constexpr size_t kCrcAt = kRecordBytes - 4;
static_assert(kHolderAt + kNameBytes == 152);

bool IsLetterOrDigit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         (c >= '0' && c <= '9');
}

template <typename T>
T Load(std::span<const std::byte, kRecordBytes> bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string LoadName(std::span<const std::byte, kRecordBytes> bytes,
                     size_t at) {
  const char* text = reinterpret_cast<const char*>(bytes.data()) + at;
  return std::string(text, strnlen(text, kNameBytes));
}

}  // namespace

RecordBytes EncodeRecord(const std::optional<Record>& record) {
  RecordBytes bytes = {};
  if (!record) return bytes;
  std::memcpy(bytes.data(), kMagic, sizeof kMagic);
  std::memcpy(bytes.data() + kVersionAt, &kVersion, sizeof kVersion);
  std::memcpy(bytes.data() + kEpochAt, &record->epoch, sizeof record->epoch);
  std::memcpy(bytes.data() + kVmAt, record->vm.data(),
              std::min(record->vm.size(), kLongestName));
  std::memcpy(bytes.data() + kHolderAt, record->holder.data(),
              std::min(record->holder.size(), kLongestName));
  const uint32_t crc = logchannel::Crc32c(std::span(bytes).first(kCrcAt));
  std::memcpy(bytes.data() + kCrcAt, &crc, sizeof crc);
  return bytes;
}

// Parses leniently, then insists that encoding gives the same bytes.
Result<std::optional<Record>> DecodeRecord(
    std::span<const std::byte, kRecordBytes> bytes) {
  if (std::all_of(bytes.begin(), bytes.end(),
                  [](std::byte b) { return b == std::byte{0}; })) {
    return std::optional<Record>();
  }
  const Record record{.vm = LoadName(bytes, kVmAt),
                      .epoch = Load<uint64_t>(bytes, kEpochAt),
                      .holder = LoadName(bytes, kHolderAt)};
  // The last epoch has no successor, so it is none.
  const bool valid = record.epoch != 0 && record.epoch + 1 != 0 &&
                     IsName(record.vm) &&
                     (record.released() || IsName(record.holder));
  if (!valid || !std::ranges::equal(EncodeRecord(record), bytes)) {
    return Status::Invalid("256 bytes that are no record");
  }
  return std::optional<Record>(record);
}

std::string Describe(const std::optional<Record>& record) {
  if (!record) return "no record";
  return "epoch " + std::to_string(record->epoch) +
         (record->released() ? ", released" : ", held by " + record->holder);
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kLongestName &&
         IsLetterOrDigit(text.front()) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsLetterOrDigit(c) || c == '.' || c == '_' || c == '-';
         });
}

}  // namespace ft::shared_disk
