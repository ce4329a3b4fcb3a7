// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_event.h"

#include <array>
#include <cstdio>
#include <string_view>

#include "logchannel/check.h"

namespace ft::replay {
namespace {

constexpr size_t kPageSumBytes = 8;
constexpr size_t kDeviceSumBytes = 4;
// Nanoseconds per instruction come times this.
constexpr double kRateOne = 1 << 20;
// ft-digest.c: PIECE_BYTES.
constexpr uint64_t kPieceKib = 512;

constexpr std::string_view kCauses[] = {
    "none",        "host-error",      "host-qmp-quit",  "host-qmp-system-reset",
    "host-signal", "host-ui",         "guest-shutdown", "guest-reset",
    "guest-panic", "subsystem-reset", "snapshot-load"};
constexpr std::string_view kClocks[] = {"host", "virtual-rt"};
constexpr std::string_view kCheckpoints[] = {"clock-warp-start",
                                             "clock-warp-account",
                                             "reset-requested",
                                             "suspend-requested",
                                             "clock-virtual",
                                             "clock-host",
                                             "clock-virtual-rt",
                                             "init",
                                             "reset"};
constexpr std::string_view kInputs[] = {"key", "button", "relative move",
                                        "absolute move"};

template <size_t N>
std::string NameIn(const std::string_view (&names)[N], uint32_t id) {
  return id < N ? std::string(names[id]) : "number " + std::to_string(id);
}

std::string Hex(uint32_t value) {
  std::array<char, 16> text;
  std::snprintf(text.data(), text.size(), "%08x", value);
  return text.data();
}

uint32_t BigEndian(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | std::to_integer<uint32_t>(bytes[i]);
  }
  return value;
}

std::string BytesOf(const LogEvent& event) {
  return std::to_string(event.data.size()) + " bytes";
}

std::string DescribeDigest(const LogEvent& event) {
  return "registers " + Hex(event.cpu) + ", RAM from " +
         std::to_string(event.piece * kPieceKib) + " KiB on " + Hex(event.ram);
}

// Of a digest's checksums, which may be hundreds.
constexpr size_t kSumsShown = 4;

std::string DescribeState(const LogEvent& event) {
  std::string text = "registers " + Hex(event.cpu) + ", RAM " + Hex(event.ram);
  if (event.pages == kAllPages) return text + ", all pages";
  text += ", " + std::to_string(event.pages) + " pages written";
  for (size_t i = 0; i < PageSums(event); ++i) {
    if (i == kSumsShown) return text + " ...";
    const PageSum sum = PageSumAt(event, i);
    std::array<char, 16> page;
    std::snprintf(page.data(), page.size(), "0x%x", sum.page);
    text += (i == 0 ? ": " : ", ") + std::string(page.data()) + " " +
            Hex(sum.crc32);
  }
  return text;
}

std::string DescribeDevices(const LogEvent& event) {
  std::string text = std::to_string(DeviceSums(event));
  for (size_t i = 0; i < DeviceSums(event); ++i) {
    if (i == kSumsShown) return text + " ...";
    text += (i == 0 ? ": " : ", ") + Hex(DeviceSumAt(event, i));
  }
  return text;
}

std::string DescribeRate(const LogEvent& event) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.4f ns per instruction",
                static_cast<double>(event.value) / kRateOne);
  return text.data();
}

}  // namespace

const char* Name(EventKind kind) {
  static constexpr const char* kNames[] = {"instruction",
                                           "interrupt",
                                           "exception",
                                           "bottom-half",
                                           "bottom-half-once",
                                           "input",
                                           "input-sync",
                                           "char-read",
                                           "block",
                                           "net",
                                           "shutdown",
                                           "char-write",
                                           "char-read-all",
                                           "char-read-error",
                                           "audio-out",
                                           "audio-in",
                                           "rate",
                                           "digest",
                                           "state",
                                           "devices",
                                           "random",
                                           "clock",
                                           "checkpoint",
                                           "end"};
  static_assert(std::size(kNames) == static_cast<size_t>(EventKind::kEnd) + 1);
  return kNames[static_cast<size_t>(kind)];
}

size_t PageSums(const LogEvent& event) {
  return event.kind == EventKind::kState ? event.data.size() / kPageSumBytes
                                         : 0;
}

PageSum PageSumAt(const LogEvent& event, size_t index) {
  FT_CHECK(index < PageSums(event)) << index;
  const auto bytes = event.data.subspan(index * kPageSumBytes, kPageSumBytes);
  return {.page = BigEndian(bytes), .crc32 = BigEndian(bytes.subspan(4))};
}

size_t DeviceSums(const LogEvent& event) {
  return event.kind == EventKind::kDevices ? event.data.size() / kDeviceSumBytes
                                           : 0;
}

uint32_t DeviceSumAt(const LogEvent& event, size_t index) {
  FT_CHECK(index < DeviceSums(event)) << index;
  return BigEndian(event.data.subspan(index * kDeviceSumBytes));
}

std::string Describe(const LogEvent& event) {
  const std::string value = std::to_string(event.value);
  const std::string value2 = std::to_string(event.value2);
  switch (event.kind) {
    case EventKind::kInstruction:
      return value + " more";
    case EventKind::kBottomHalf:
    case EventKind::kBottomHalfOneshot:
      return "scheduled at " + value;
    case EventKind::kInput:
      return NameIn(kInputs, event.id) + " " + value + ", " + value2;
    case EventKind::kCharRead:
      return BytesOf(event) + " from device " + std::to_string(event.id);
    case EventKind::kBlock:
      return "request " + value + ", result " + value2 + ", " + BytesOf(event);
    case EventKind::kNet:
      return BytesOf(event) + " on NIC " + std::to_string(event.id);
    case EventKind::kShutdown:
      return NameIn(kCauses, event.id);
    case EventKind::kCharWrite:
      return "result " + value + ", offset " + value2;
    case EventKind::kCharReadAll:
      return BytesOf(event);
    case EventKind::kCharReadError:
      return "error " + value;
    case EventKind::kAudioOut:
      return value + " samples";
    case EventKind::kAudioIn:
      return value + " samples at " + value2;
    case EventKind::kRate:
      return DescribeRate(event);
    case EventKind::kDigest:
      return DescribeDigest(event);
    case EventKind::kState:
      return DescribeState(event);
    case EventKind::kDevices:
      return DescribeDevices(event);
    case EventKind::kRandom:
      return BytesOf(event) + ", result " + value;
    case EventKind::kClock:
      return NameIn(kClocks, event.id) + " " + value + " ns";
    case EventKind::kCheckpoint:
      return NameIn(kCheckpoints, event.id);
    case EventKind::kInterrupt:
    case EventKind::kException:
    case EventKind::kInputSync:
    case EventKind::kEnd:
      break;
  }
  return "";
}

std::string Summary(const LogEvent& event) {
  const std::string fields = Describe(event);
  return fields.empty() ? Name(event.kind)
                        : std::string(Name(event.kind)) + ": " + fields;
}

}  // namespace ft::replay
