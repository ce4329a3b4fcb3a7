// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogReplay: an engine that replays a recording, as far as one wants.
//
//     auto replay = co_await LogReplay::Start(io, recording, options);
//     auto where = co_await (*replay)->AdvanceTo(position);
//     auto digest = co_await (*replay)->Digest();
//
// CheckRecording() below does it for all marks of a recording.
//
// The machine's NICs end in taps that lead nowhere (root). An engine whose
// LogReplay is gone for 2 s ends by itself. Used from one thread, that of
// `io`; destruction ends the engine and removes its files.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/status.h"
#include "replay/engine.h"
#include "replay/log_window.h"
#include "replay/recording.h"

namespace ft::replay {

struct ReplayOptions {
  // Sockets, console, stderr; made if need be, and left.
  std::string work_dir;
  // On tmpfs; the ring's own directory is made in it, and removed.
  std::string ring_dir = "/dev/shm";
  // Of the tap's and other names; two that run at once need two.
  std::string name = "a";
  // There, the engine translates every instruction into a block of its own:
  // much slower, and the same machine.
  std::optional<LogWindow> one_instruction_per_block = {};
  // Called with the engine where the log has been executed up to `at`; for
  // whoever wants to see a fault found.
  struct Tampering {
    uint64_t at = 0;
    std::function<Status(Engine&)> act;
  };
  std::optional<Tampering> tampering = {};
  // So long without progress is a failure.
  std::chrono::milliseconds patience{120'000};
};

class LogReplay {
 public:
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  // The machine of the snapshot, nothing executed yet.
  static Awaitable<Result<std::unique_ptr<LogReplay>>> Start(
      boost::asio::io_context& io, const Recording& recording,
      ReplayOptions options);
  ~LogReplay();
  LogReplay(const LogReplay&) = delete;
  LogReplay& operator=(const LogReplay&) = delete;

  // Where an advance ended.
  enum class Where {
    kThere,     // all entries that begin before the position are executed
    kLogEnds,   // all there are
    kDiverged,  // divergence() says how
    kExited,    // exit_reason() says why; a guest that powers off does that
  };
  // kUnavailable when the log cannot be read, kFailed when nothing moves.
  Awaitable<Result<Where>> AdvanceTo(uint64_t position);

  // The end of the last entry that was executed.
  uint64_t position() const;
  // Where nothing is left to execute.
  Awaitable<Result<MachineDigest>> Digest();
  const std::optional<Divergence>& divergence() const;
  const std::string& exit_reason() const;
  // It ended with exit code 0 after it had got all of the log.
  bool exited_well() const;
  // What the guest has written since the snapshot.
  std::string Console() const;
  Engine& engine();

 private:
  struct State;
  explicit LogReplay(std::shared_ptr<State> state);
  const std::shared_ptr<State> state_;
};

// Where a replay is known to differ from its recording.
struct ReplayDifference {
  uint64_t last_equal = 0;  // the last mark that was equal, or the clone
  uint64_t position = 0;    // where it was noticed
  uint64_t instruction = 0;
  std::string expected;
  std::string got;
};

struct ReplayReport {
  int marks = 0;  // that were equal
  uint64_t position = 0;
  std::optional<ReplayDifference> difference;
  std::string exit_reason;  // empty if the engine lived to the end of the log
  std::string console;
  double seconds = 0;
};

// "position 7, instruction 9, RAM 0123456789abcdef, registers ...".
std::string DescribeDigest(const MachineDigest& digest);
// The same of `got`, and what is other than in `expected`.
std::string DescribeDigest(const MachineDigest& got,
                           const MachineDigest& expected);

// Replays all of it, comparing at every mark. A difference is no error.
LogReplay::Awaitable<Result<ReplayReport>> CheckRecording(
    boost::asio::io_context& io, const Recording& recording,
    ReplayOptions options);

}  // namespace ft::replay
