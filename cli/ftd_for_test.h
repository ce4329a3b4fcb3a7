// SPDX-License-Identifier: GPL-2.0-or-later
//
// FtdForTest: a real ftd with directories, ports and a config of its own, and
// the real ftctl against it. There is no engine behind it: everything that is
// refused before one is needed can be tried in milliseconds.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "host/temp_dir_for_test.h"

namespace ft::cli {

struct Finished {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs argv to its end, at most half a minute.
Finished RunProgram(const std::vector<std::string>& argv,
                    const std::string& scratch_dir);

class FtdForTest {
 public:
  FtdForTest();
  // Ends ftd, and waits for it.
  ~FtdForTest();
  FtdForTest(const FtdForTest&) = delete;
  FtdForTest& operator=(const FtdForTest&) = delete;

  // A line of the config, `value` as TOML; before Start().
  void Set(const std::string& key, const std::string& value);
  void Unset(const std::string& key) { config_.erase(key); }
  // Tables, behind all keys; before Start().
  void Append(const std::string& tables) { tables_ += tables; }
  std::string WriteConfig();
  // True when it answers. False: it ended; see exit_code() and Log().
  bool Start();
  // Sends `signal` and waits for the end; the exit code.
  int End(int signal);
  int exit_code() const { return exit_code_; }
  // What it wrote to stderr so far.
  std::string Log() const;
  pid_t pid() const { return pid_; }

  Finished Ftctl(std::vector<std::string> arguments) const;
  // The value of `key` in the config.
  std::string Get(const std::string& key) const { return config_.at(key); }
  // Connects to the log channel port, sends `bytes` and waits until ftd hangs
  // up; false when it did not within five seconds.
  bool KnockAtLogPort(const std::string& bytes) const;
  // One connection to the control socket: sends `bytes`, returns what comes
  // back until a newline or the end.
  std::string Say(const std::string& bytes) const;

  const host::TempDir& dir() const { return dir_; }
  std::string socket_path() const { return dir_ / "run/ftd.sock"; }
  // Writes `text` to a file in dir() and returns its path.
  std::string Write(const std::string& name, const std::string& text) const;

 private:
  bool WaitUntilItAnswers();

  host::TempDir dir_;
  std::map<std::string, std::string> config_;
  std::string tables_;
  pid_t pid_ = -1;  // -1: not running
  int exit_code_ = -1;
};

}  // namespace ft::cli
