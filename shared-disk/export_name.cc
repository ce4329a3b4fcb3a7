// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/export_name.h"

#include <charconv>

#include "shared-disk/record.h"

namespace ft::shared_disk {
namespace {

constexpr std::string_view kRecord = "record";
constexpr std::string_view kEpoch = ";epoch=";
constexpr std::string_view kHost = ";host=";
constexpr std::string_view kVm = ";vm=";

// Cuts `prefix` off the front of `text`, if it is there.
bool Take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Cuts off what is before the next ';'.
std::string_view TakeWord(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(';'));
  text.remove_prefix(word.size());
  return word;
}

std::optional<ExportName> Parse(std::string_view text) {
  const std::string_view first = TakeWord(text);
  if (!IsName(first)) return std::nullopt;
  if (first == kRecord) {
    if (!Take(text, kVm) || !IsName(text)) return std::nullopt;
    return RecordExport{std::string(text)};
  }
  if (text.empty()) return DiskExport{std::string(first), std::nullopt};
  if (!Take(text, kEpoch)) return std::nullopt;
  const std::string_view digits = TakeWord(text);
  Writer writer;
  std::from_chars(digits.data(), digits.data() + digits.size(), writer.epoch);
  if (writer.epoch == 0 || std::to_string(writer.epoch) != digits) {
    return std::nullopt;
  }
  if (!Take(text, kHost) || !IsName(text)) return std::nullopt;
  writer.host = text;
  return DiskExport{std::string(first), writer};
}

// Comes from the network: shown without control characters, and not whole.
std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 100;
  std::string quoted = "'";
  for (char c : text.substr(0, kShown)) {
    quoted += c >= ' ' && c <= '~' ? c : '?';
  }
  return quoted + (text.size() > kShown ? "...'" : "'");
}

}  // namespace

std::string Describe(const Writer& writer) {
  return writer.host + " of epoch " + std::to_string(writer.epoch);
}

Result<ExportName> ParseExportName(std::string_view text) {
  if (auto name = Parse(text)) return *name;
  return Status::Invalid("there is no export " + Quoted(text),
                         "ask for DISK;epoch=N;host=HOST to write a disk, "
                         "DISK to read it, record;vm=VM for a record");
}

std::string FormatExportName(const ExportName& name) {
  if (const auto* record = std::get_if<RecordExport>(&name)) {
    return std::string(kRecord) + std::string(kVm) + record->vm;
  }
  const auto& disk = std::get<DiskExport>(name);
  if (!disk.writer) return disk.disk;
  return disk.disk + std::string(kEpoch) + std::to_string(disk.writer->epoch) +
         std::string(kHost) + disk.writer->host;
}

}  // namespace ft::shared_disk
