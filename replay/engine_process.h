// SPDX-License-Identifier: GPL-2.0-or-later
//
// The engine as an operating-system process. It outlives ftd on purpose: it
// runs in its own session, holds no descriptor of ours, and a restarted ftd
// finds it again by pid (Adopt). Every later act goes through a pidfd, so a
// recycled pid can never be hit.
//
//     ftd:     Spawn ---- crash        Adopt ---- Kill
//     engine:    +--------------------------------+
//
// No asio here; engine.h waits for pidfd() to become readable.
// Not thread-safe.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/status.h"

namespace ft::replay {

// How a process ended. Of an adopted process (not our child) only the fact.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;

  // "exited with 1", "was killed by signal 9", "ended".
  std::string Describe() const;
};

class EngineProcess {
 public:
  // Starts argv with stdin from /dev/null and both outputs to stderr_log
  // (rewritten). kUnavailable when the binary is missing or not executable.
  static Result<std::unique_ptr<EngineProcess>> Spawn(
      const std::vector<std::string>& argv, const std::string& stderr_log);

  // Takes over a running engine that an earlier ftd started. Verified through
  // /proc/PID: the executable is `binary` (its resolved path) and the command
  // line names `ring_path`; kInvalid when the pid is gone or somebody else.
  static Result<std::unique_ptr<EngineProcess>> Adopt(
      pid_t pid, const std::string& binary, const std::string& ring_path,
      const std::string& stderr_log);

  // Does not end the process. Kill() and WaitForExit() first if it must die.
  ~EngineProcess();
  EngineProcess(const EngineProcess&) = delete;
  EngineProcess& operator=(const EngineProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Readable once the process has ended. Owned by this object.
  int pidfd() const { return pidfd_; }

  // False from the moment the process has ended; reaps it then.
  bool Running();
  // Set once Running() has returned false.
  const std::optional<ExitStatus>& exit_status() const { return exit_; }
  // Blocks at most timeout_ms; true when the process has ended.
  bool WaitForExit(int timeout_ms);

  // SIGKILL. Harmless when it has ended.
  void Kill();

  // The last line that the engine wrote, without the "qemu-system-x86_64: "
  // prefix; empty if none.
  std::string LastErrorLine() const;

 private:
  EngineProcess(pid_t pid, int pidfd, std::string stderr_log);

  const pid_t pid_;
  const int pidfd_;
  const std::string stderr_log_;
  std::optional<ExitStatus> exit_;
};

}  // namespace ft::replay
