// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_decoder.h"

#include <string>

namespace ft::replay {
namespace {

// The numbers behind the kinds, as enum ReplayEvents makes them.
constexpr int kAsyncCount = 7;
constexpr int kShutdownCauses = 11;
constexpr int kClocks = 2;
constexpr int kCheckpoints = 9;

enum : int {
  kWireInstruction,
  kWireInterrupt,
  kWireException,
  kWireAsync,
  kWireShutdown = kWireAsync + kAsyncCount,
  kWireCharWrite = kWireShutdown + kShutdownCauses + 1,
  kWireCharReadAll,
  kWireCharReadError,
  kWireAudioOut,
  kWireAudioIn,
  kWireRate,
  kWireDigest,
  kWireState,
  kWireDevices,
  kWireRandom,
  kWireClock,
  kWireCheckpoint = kWireClock + kClocks,
  kWireEnd = kWireCheckpoint + kCheckpoints,
};

constexpr size_t kPageSumBytes = 8;
constexpr size_t kDeviceSumBytes = 4;
// Two channels of 64 bits.
constexpr uint64_t kAudioSampleBytes = 16;

enum : uint32_t { kInputKey, kInputButton, kInputRelative, kInputAbsolute };
enum : uint32_t { kKeyNumber, kKeyCode };

EventKind AsyncKind(int wire) {
  static constexpr EventKind kKinds[kAsyncCount] = {
      EventKind::kBottomHalf, EventKind::kBottomHalfOneshot, EventKind::kInput,
      EventKind::kInputSync,  EventKind::kCharRead,          EventKind::kBlock,
      EventKind::kNet};
  return kKinds[wire - kWireAsync];
}

}  // namespace

// Big-endian words off the front of an entry; all that is asked of it after
// its end is zero, and ok() says so.
class LogDecoder::Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  uint64_t Number(size_t bytes) {
    if (rest_.size() < bytes) ok_ = false;
    if (!ok_) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; ++i) {
      value = value << 8 | std::to_integer<uint64_t>(rest_[i]);
    }
    rest_ = rest_.subspan(bytes);
    return value;
  }
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  uint32_t Dword() { return static_cast<uint32_t>(Number(4)); }
  int64_t Qword() { return static_cast<int64_t>(Number(8)); }
  // Signed, as int in the engine.
  int64_t Int() { return static_cast<int32_t>(Dword()); }

  std::span<const std::byte> Bytes(uint64_t count) {
    if (rest_.size() < count) ok_ = false;
    if (!ok_) return {};
    const auto bytes = rest_.first(static_cast<size_t>(count));
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }
  std::span<const std::byte> Array() { return Bytes(Dword()); }

  void Refuse() { ok_ = false; }
  bool ok() const { return ok_; }
  size_t left() const { return rest_.size(); }
  std::span<const std::byte> rest() const { return rest_; }

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

namespace {

template <typename Reader>
void ReadInput(Reader& reader, LogEvent& event) {
  event.id = reader.Dword();
  switch (event.id) {
    case kInputKey:
      switch (reader.Dword()) {
        case kKeyNumber:
          event.value = reader.Qword();
          break;
        case kKeyCode:
          event.value = reader.Dword();
          break;
        default:
          reader.Refuse();
          return;
      }
      event.value2 = reader.Byte();
      break;
    case kInputButton:
      event.value = reader.Dword();
      event.value2 = reader.Byte();
      break;
    case kInputRelative:
    case kInputAbsolute:
      event.value2 = reader.Dword();
      event.value = reader.Qword();
      break;
    default:
      reader.Refuse();
  }
}

template <typename Reader>
void ReadAsync(Reader& reader, LogEvent& event) {
  switch (event.kind) {
    case EventKind::kBottomHalf:
    case EventKind::kBottomHalfOneshot:
      event.value = reader.Qword();
      break;
    case EventKind::kBlock:
      event.value = reader.Qword();
      event.value2 = reader.Int();
      event.data = reader.Array();
      break;
    case EventKind::kInput:
      ReadInput(reader, event);
      break;
    case EventKind::kCharRead:
      event.id = reader.Byte();
      event.data = reader.Array();
      break;
    case EventKind::kNet:
      event.id = reader.Byte();
      event.value = reader.Dword();
      event.data = reader.Array();
      break;
    default:
      break;
  }
}

template <typename Reader>
void ReadState(Reader& reader, LogEvent& event) {
  event.kind = EventKind::kState;
  event.cpu = reader.Dword();
  event.ram = reader.Dword();
  event.pages = reader.Dword();
  event.data = reader.Bytes(reader.Byte() * kPageSumBytes);
}

template <typename Reader>
void ReadAudioIn(Reader& reader, LogEvent& event) {
  event.kind = EventKind::kAudioIn;
  event.value = reader.Qword();
  event.value2 = reader.Qword();
  const auto samples = static_cast<uint64_t>(event.value);
  if (samples > reader.left() / kAudioSampleBytes) {
    reader.Refuse();
    return;
  }
  event.data = reader.Bytes(samples * kAudioSampleBytes);
}

}  // namespace

void LogDecoder::Begin(const logchannel::LogEntry& entry) {
  rest_ = entry.payload;
  position_ = entry.position + logchannel::kEntryHeaderBytes;
  status_ = Status::Ok();
}

std::optional<LogEvent> LogDecoder::Next() {
  if (rest_.empty() || !status_.ok()) return std::nullopt;
  Reader reader(rest_);
  LogEvent event;
  event.position = position_;
  event.instruction = instructions_;
  const uint8_t kind = reader.Byte();
  const std::string where = " at position " + std::to_string(position_);
  if (!ReadFields(kind, reader, event)) {
    status_ = Status::Invalid("unknown event " + std::to_string(kind) + where);
    return std::nullopt;
  }
  if (!reader.ok()) {
    status_ = Status::Invalid(std::string(Name(event.kind)) +
                              " event cut short or malformed" + where);
    return std::nullopt;
  }
  if (event.kind == EventKind::kInstruction) {
    instructions_ += static_cast<uint64_t>(event.value);
  }
  event.bytes = rest_.size() - reader.left();
  position_ += event.bytes;
  rest_ = reader.rest();
  return event;
}

// False if there is no such kind.
bool LogDecoder::ReadFields(uint8_t kind, Reader& reader, LogEvent& event) {
  const int wire = kind;
  if (wire >= kWireAsync && wire < kWireShutdown) {
    event.kind = AsyncKind(wire);
    ReadAsync(reader, event);
    return true;
  }
  if (wire >= kWireShutdown && wire < kWireCharWrite) {
    event.kind = EventKind::kShutdown;
    event.id = static_cast<uint32_t>(wire - kWireShutdown);
    return true;
  }
  if (wire >= kWireClock && wire < kWireCheckpoint) {
    event.kind = EventKind::kClock;
    event.id = static_cast<uint32_t>(wire - kWireClock);
    event.value = reader.Qword();
    return true;
  }
  if (wire >= kWireCheckpoint && wire < kWireEnd) {
    event.kind = EventKind::kCheckpoint;
    event.id = static_cast<uint32_t>(wire - kWireCheckpoint);
    return true;
  }
  switch (wire) {
    case kWireInstruction:
      event.kind = EventKind::kInstruction;
      event.value = reader.Dword();
      return true;
    case kWireInterrupt:
      event.kind = EventKind::kInterrupt;
      return true;
    case kWireException:
      event.kind = EventKind::kException;
      return true;
    case kWireCharWrite:
      event.kind = EventKind::kCharWrite;
      event.value = reader.Int();
      event.value2 = reader.Int();
      return true;
    case kWireCharReadAll:
      event.kind = EventKind::kCharReadAll;
      event.data = reader.Array();
      return true;
    case kWireCharReadError:
      event.kind = EventKind::kCharReadError;
      event.value = reader.Int();
      return true;
    case kWireAudioOut:
      event.kind = EventKind::kAudioOut;
      event.value = reader.Qword();
      return true;
    case kWireAudioIn:
      ReadAudioIn(reader, event);
      return true;
    case kWireRate:
      event.kind = EventKind::kRate;
      event.value = reader.Dword();
      return true;
    case kWireDigest:
      event.kind = EventKind::kDigest;
      event.cpu = reader.Dword();
      event.piece = reader.Dword();
      event.ram = reader.Dword();
      return true;
    case kWireState:
      ReadState(reader, event);
      return true;
    case kWireDevices:
      event.kind = EventKind::kDevices;
      event.data = reader.Bytes(reader.Byte() * kDeviceSumBytes);
      return true;
    case kWireRandom:
      event.kind = EventKind::kRandom;
      event.value = reader.Int();
      event.data = reader.Array();
      return true;
    case kWireEnd:
      event.kind = EventKind::kEnd;
      return true;
    default:
      return false;
  }
}

}  // namespace ft::replay
