// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/disk_figures.h"

#include <fmt/format.h>

namespace ft::bench {
namespace {

using Pairs = std::vector<DiskPair>;

constexpr double kMebibyte = 1 << 20;
constexpr double kKibibyte = 1 << 10;

template <typename Value>
std::vector<double> Each(const Pairs& pairs, Value value) {
  std::vector<double> samples;
  for (const DiskPair& pair : pairs) samples.push_back(value(pair));
  return samples;
}

double Mebibytes(const MeasuredAccess& access) {
  return static_cast<double>(access.fio.bytes) / kMebibyte;
}

// The only access with a bar is the one that hurts: many small requests.
Figure Speed(const std::string& name, bool has_bar) {
  Figure figure = {.metric = name + ": speed with FT / plain", .unit = "ratio"};
  if (!has_bar) return figure;
  figure.better = Better::kHigher;
  figure.bar = 0.80;
  figure.goal = 0.95;
  return figure;
}

void AppendAccess(const DiskMode& mode, size_t which, const Pairs& pairs,
                  std::vector<Figure>& figures) {
  const DiskAccess& access = AllDiskAccesses()[which];
  const std::string name = fmt::format("{}, {}", access.name, mode.name);
  const auto row = [&](const char* what, const char* unit, auto value) {
    figures.push_back({.metric = name + what,
                       .unit = unit,
                       .samples = Each(pairs, [&](const DiskPair& pair) {
                         return value(pair.plain[which], pair.ft[which]);
                       })});
  };
  using Side = const MeasuredAccess&;
  figures.push_back(Speed(name, access.random && mode.backup));
  figures.back().samples = Each(pairs, [&](const DiskPair& pair) {
    return pair.ft[which].fio.mib_per_second /
           pair.plain[which].fio.mib_per_second;
  });
  row(": with FT", "MiB/s",
      [](Side, Side ft) { return ft.fio.mib_per_second; });
  row(": latency p50, plain", "us",
      [](Side plain, Side) { return plain.fio.p50_us; });
  row(": latency p50, FT", "us", [](Side, Side ft) { return ft.fio.p50_us; });
  row(": latency p99, plain", "us",
      [](Side plain, Side) { return plain.fio.p99_us; });
  row(": latency p99, FT", "us", [](Side, Side ft) { return ft.fio.p99_us; });
  row(": log per MiB", "KiB", [](Side, Side ft) {
    return static_cast<double>(ft.log_bytes) / kKibibyte / Mebibytes(ft);
  });
}

// Bytes of log for a byte that was read, sequential and random together.
double LogPerReadByte(const DiskPair& pair) {
  double log = 0, read = 0;
  for (size_t i = 0; i < AllDiskAccesses().size(); ++i) {
    if (!AllDiskAccesses()[i].reads) continue;
    log += static_cast<double>(pair.ft[i].log_bytes);
    read += static_cast<double>(pair.ft[i].fio.bytes);
  }
  return log / read;
}

Figure LogOfReads(const Pairs& by_backup, const Pairs& in_log) {
  Figure figure = {.metric = "log of reads: by the backup / in the log",
                   .unit = "ratio",
                   .better = Better::kLower,
                   .bar = 1.0 / 3,
                   .goal = 0.1};
  for (size_t i = 0; i < by_backup.size(); ++i) {
    figure.samples.push_back(LogPerReadByte(by_backup[i]) /
                             LogPerReadByte(in_log[i]));
  }
  return figure;
}

}  // namespace

std::vector<Figure> DiskFigures(
    const std::map<const DiskMode*, std::vector<DiskPair>>& measured) {
  std::vector<Figure> figures;
  const auto by_backup = measured.find(FindDiskMode("shared-reads-backup"));
  const auto in_log = measured.find(FindDiskMode("shared"));
  if (by_backup != measured.end() && in_log != measured.end()) {
    figures.push_back(LogOfReads(by_backup->second, in_log->second));
  }
  for (const DiskMode& mode : AllDiskModes()) {
    const auto found = measured.find(&mode);
    if (found == measured.end()) continue;
    for (size_t i = 0; i < AllDiskAccesses().size(); ++i) {
      AppendAccess(mode, i, found->second, figures);
    }
  }
  return figures;
}

}  // namespace ft::bench
