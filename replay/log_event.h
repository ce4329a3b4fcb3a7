// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a log entry of kind FT_ENTRY_EVENTS says, event by event: the engine's
// own record of what the guest could not have predicted. The engine's side is
// replay/replay-internal.h in QEMU's tree, with the patches of replay/qemu.
//
// Values; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ft::replay {

enum class EventKind {
  kInstruction,  // value: how many were executed before the next event
  kInterrupt,
  kException,          // not written by today's engine
  kBottomHalf,         // value: instruction when it was scheduled
  kBottomHalfOneshot,  // value: the same
  kInput,              // id: kind of input; value: what; value2: down, axis
  kInputSync,
  kCharRead,       // id: device; data: what came in
  kBlock,          // value: id of the request that is done; value2: result;
                   // data: what a read has read
  kNet,            // id: NIC; value: flags; data: the packet
  kShutdown,       // id: cause
  kCharWrite,      // value: result; value2: offset
  kCharReadAll,    // data
  kCharReadError,  // value: error
  kAudioOut,       // value: samples played
  kAudioIn,        // value: samples; value2: write position; data
  kRate,           // value: nanoseconds per instruction, times 2^20
  kDigest,         // cpu, piece, ram: what the recording machine had
  kState,          // cpu, ram, pages: the same, of all RAM; dense digests only;
                   // data: PageSumAt()
  kDevices,        // data: a checksum of each device, DeviceSumAt()
  kRandom,         // value: result; data
  kClock,          // id: which; value: nanoseconds
  kCheckpoint,     // id: which
  kEnd,
};

// "instruction", "bottom-half", "net", ...
const char* Name(EventKind kind);

struct LogEvent {
  EventKind kind = EventKind::kEnd;
  // Instructions executed since the log began: the sum of all kInstruction
  // before it.
  uint64_t instruction = 0;
  // Where in the log its kind byte is, and how many bytes it has.
  uint64_t position = 0;
  size_t bytes = 0;

  // What they are depends on `kind`, see there; 0 where it has none.
  uint32_t id = 0;
  int64_t value = 0;
  int64_t value2 = 0;
  // Inside the entry that was decoded.
  std::span<const std::byte> data = {};

  // kDigest and kState.
  uint32_t cpu = 0;    // checksum of the vCPU's registers
  uint32_t ram = 0;    // kDigest: of one piece of RAM; kState: of all of it
  uint32_t piece = 0;  // kDigest: which piece
  uint32_t pages = 0;  // kState: written since the last one, or kAllPages
};

// The first kState of a log is of every page, and names none.
inline constexpr uint32_t kAllPages = UINT32_MAX;

struct PageSum {
  uint32_t page = 0;
  uint32_t crc32 = 0;
};

// How many of them a kState has, and one of them (FT_CHECKed).
size_t PageSums(const LogEvent& event);
PageSum PageSumAt(const LogEvent& event, size_t index);
// The same for a kDevices; in the order in which the engine has them.
size_t DeviceSums(const LogEvent& event);
uint32_t DeviceSumAt(const LogEvent& event, size_t index);

// The fields in words, without kind and position: "60 bytes on NIC 0". Of a
// digest's many checksums only the first.
std::string Describe(const LogEvent& event);
// "net: 60 bytes on NIC 0"
std::string Summary(const LogEvent& event);

}  // namespace ft::replay
