// SPDX-License-Identifier: GPL-2.0-or-later
//
// Processes that the test bed starts: short commands whose output is wanted
// (Run) and long-lived ones that are spoken to or killed (ChildProcess).
//
// The bed's own troubles (a tool that is missing, a command that fails) are
// exceptions: GoogleTest turns them into a failed test, the demo into one
// line. Nothing here ever ends a process that the bed did not start.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace ft::bed {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The bed could not do what a test asked of it; what() is one line.
class BedError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

double MillisecondsSince(Clock::time_point start);

struct CommandResult {
  // As the shell counts: 128 + signal for a process ended by one.
  int exit_code = -1;
  // The deadline passed and the command was killed.
  bool timed_out = false;
  std::string out;
  std::string err;
  double elapsed_ms = 0;

  bool ok() const { return exit_code == 0 && !timed_out; }
};

struct RunOptions {
  milliseconds timeout{20000};
  std::string input{};
};

// Runs a command to its end and collects what it printed. Throws BedError
// only if it cannot be started at all.
CommandResult Run(const std::vector<std::string>& argv,
                  const RunOptions& options = {});

// Runs a command that has no business failing; BedError names it if it does.
std::string RunOrThrow(const std::vector<std::string>& argv,
                       const RunOptions& options = {});

// A process of the bed. It dies with the bed (PR_SET_PDEATHSIG), at the
// latest when this object is destroyed. Not thread-safe.
class ChildProcess {
 public:
  struct Options {
    std::vector<std::string> argv;
    // Where stdout and stderr are appended to; empty: /dev/null. With
    // `talk`, stdout and stdin are pipes to this object instead.
    std::string output_path{};
    std::string error_path{};
    bool talk = false;
  };

  explicit ChildProcess(const Options& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // False once it has ended, however that came; reaps it.
  bool running();
  // The exit code as in CommandResult; nothing while it runs.
  std::optional<int> exit_code();
  // No-op after the end.
  void Signal(int signal);
  // SIGKILL, and waits for the end.
  void Kill();
  // Waits for the end; false if the deadline came first.
  bool WaitFor(milliseconds deadline);

  // `talk` only. One line to its stdin; false if it no longer listens.
  bool WriteLine(const std::string& line);
  // `talk` only. Its next line of stdout, without the newline; nothing if
  // the deadline or its end came first.
  std::optional<std::string> ReadLine(milliseconds deadline);

 private:
  void Reap(bool wait);

  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  int to_child_ = -1;
  int from_child_ = -1;
  std::string unread_;
};

}  // namespace ft::bed
