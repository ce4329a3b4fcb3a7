// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/file_record.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <span>

#include "logchannel/crc32c.h"

namespace ft::fencing {
namespace {

constexpr size_t kEpochDigits = 20;  // of 2^64 - 1

// Cuts "`key` VALUE\n" (or "`key`\n", an empty value) off the front.
std::optional<std::string_view> TakeLine(std::string_view& text,
                                         std::string_view key) {
  const size_t end = text.find('\n');
  if (end == text.npos || !text.starts_with(key)) return std::nullopt;
  std::string_view value = text.substr(key.size(), end - key.size());
  text.remove_prefix(end + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

// 0 for anything that is not a number from 1 to 2^64 - 2, the last epoch
// that has a successor.
uint64_t ParseEpoch(std::string_view digits) {
  uint64_t epoch = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, epoch);
  const bool valid = error == std::errc() && stop == end && epoch + 1 != 0;
  return valid ? epoch : 0;
}

Status NotARecord(const std::string& path) {
  return Status::Unavailable(
      "test-and-set record " + path + " is damaged",
      "find out which host runs the VM, stop it there, then remove it");
}

}  // namespace

std::string EncodeRecord(const VmRecord& record) {
  std::string text = "lockstep-record 1\nvm " + record.vm + "\nepoch " +
                     std::to_string(record.epoch) + "\nholder" +
                     (record.released() ? "" : " " + record.holder) + "\n";
  char last_line[32];
  std::snprintf(last_line, sizeof last_line, "crc32c %08x\n",
                logchannel::Crc32c(std::as_bytes(std::span(text))));
  return text + last_line;
}

// Parses leniently, then insists that encoding gives the same bytes.
Result<VmRecord> DecodeRecord(const std::string& path, std::string_view text) {
  std::string_view rest = text;
  TakeLine(rest, "lockstep-record");
  const auto vm = TakeLine(rest, "vm");
  const auto epoch = TakeLine(rest, "epoch");
  const auto holder = TakeLine(rest, "holder");
  if (!vm || !epoch || !holder) return NotARecord(path);
  const VmRecord record{.vm = std::string(*vm),
                        .epoch = ParseEpoch(*epoch),
                        .holder = std::string(*holder)};
  const bool valid =
      record.epoch > 0 && ValidateName("VM name", record.vm).ok() &&
      (record.released() || ValidateName("host name", record.holder).ok());
  if (!valid || EncodeRecord(record) != text) return NotARecord(path);
  return record;
}

std::string RecordName(std::string_view vm, uint64_t epoch) {
  const std::string digits = std::to_string(epoch);
  return std::string(vm) + "." +
         std::string(kEpochDigits - digits.size(), '0') + digits;
}

std::optional<uint64_t> EpochOfName(std::string_view vm,
                                    std::string_view name) {
  if (name.size() != vm.size() + 1 + kEpochDigits || !name.starts_with(vm) ||
      name[vm.size()] != '.') {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(vm.size() + 1);
  const bool all_digits = std::all_of(digits.begin(), digits.end(), [](char c) {
    return c >= '0' && c <= '9';
  });
  if (!all_digits) return std::nullopt;
  return ParseEpoch(digits);
}

}  // namespace ft::fencing
