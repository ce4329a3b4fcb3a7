// SPDX-License-Identifier: GPL-2.0-or-later
//
// EngineRingForTest: the engine's side of a log ring, for tests that have no
// engine. Creates the ring and its doorbells as an engine does, records
// entries or replays them, and keeps the doorbell protocol, so that LogRing
// on the other side cannot tell the difference.
//
// One thread per object; the thread may be another one than the LogRing's,
// as the engine is another process.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "logchannel/log_ring.h"

namespace ft::logchannel {

class EngineRingForTest {
 public:
  struct Options {
    std::string path;
    // A power of two and a multiple of the page size.
    uint64_t data_size = FT_RING_DATA_BYTES_DEFAULT;
    Direction direction = Direction::kRecord;
    LogMode log_mode = LogMode::kKeep;
    // All positions start here.
    LogPosition position = 0;
    std::string engine_build = "test-build";
  };

  // FT_CHECKs that everything works: it is a test's own machine.
  static std::unique_ptr<EngineRingForTest> Create(const Options& options);
  ~EngineRingForTest();  // unmaps and removes the three files
  EngineRingForTest(const EngineRingForTest&) = delete;
  EngineRingForTest& operator=(const EngineRingForTest&) = delete;

  const std::string& path() const { return options_.path; }
  // The shared words, to look at or to spoil.
  ft_ring* shared() { return ring_; }
  // The byte of log offset `position`.
  std::byte& data(LogPosition position);

  // --- Record: appends one entry and rings ftd; false if the ring is full.
  bool Commit(std::span<const std::byte> payload);
  // The same with a payload of `bytes` pseudo-random bytes drawn from
  // `seed`: PayloadForTest(seed, bytes).
  bool CommitRandom(uint64_t seed, size_t bytes);

  // --- Replay: executes the next entry and rings ftd; nothing if there is
  // none committed.
  std::optional<std::vector<std::byte>> Consume();

  // --- Both.
  void set_direction(Direction direction);
  void set_log_mode(LogMode mode);
  void set_holding(bool holding);
  void set_released(LogPosition position);

  // Sleeps by the doorbell protocol until ready() holds, at most
  // `timeout_ms`; false on timeout (a lost wake-up, in a test of those).
  template <typename Ready>
  bool WaitUntil(Ready ready, int timeout_ms) {
    for (;;) {
      PrepareToSleep();
      if (ready()) break;
      if (!PollDoorbell(timeout_ms)) return ready();
      ClearDoorbell();
    }
    ClearDoorbell();
    return true;
  }

 private:
  EngineRingForTest(Options options, ft_ring* ring, ScopedFd to_ftd,
                    ScopedFd to_engine, ScopedFd to_storage);
  void PrepareToSleep();
  bool PollDoorbell(int timeout_ms);
  void ClearDoorbell();
  void RingFtd();

  const Options options_;
  ft_ring* const ring_;
  ScopedFd to_ftd_;
  ScopedFd to_engine_;
  ScopedFd to_storage_;
};

// An empty directory on tmpfs, where rings lie; removed with what is in it.
class RingDirectoryForTest {
 public:
  RingDirectoryForTest();
  ~RingDirectoryForTest();
  RingDirectoryForTest(const RingDirectoryForTest&) = delete;
  RingDirectoryForTest& operator=(const RingDirectoryForTest&) = delete;
  // Of a ring named `vm` in it.
  std::string ring_path(const std::string& vm) const;

 private:
  std::string path_;
};

// `bytes` bytes that depend on nothing but `seed` and `bytes`.
std::vector<std::byte> PayloadForTest(uint64_t seed, size_t bytes);

}  // namespace ft::logchannel
