// SPDX-License-Identifier: GPL-2.0-or-later
//
// One host of the bed: a namespace, an ftd with its own directories, and
// the engines that this ftd started.
//
//     <bed>/hostA/ftd.toml         written by the bed
//     <bed>/hostA/state, run/      ftd's own
//     <bed>/hostA/ftd.out, .err    what ftd printed
//     /dev/shm/lockstep-<run>-hostA/   rings
//     <bed>/shared/                the test-and-set's shared directory
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/system/child_process.h"
#include "tests/system/engine_probe.h"
#include "tests/system/network.h"

namespace ft::bed {

struct FtctlResult : CommandResult {
  // stdout parsed, if it is JSON; null otherwise.
  boost::json::value json;
};

// What a test may change about a host before its ftd starts.
struct HostOptions {
  std::string engine;      // default: the bed's engine
  std::string shared_dir;  // default: the bed's shared directory
  // Instead of shared_dir: a table [fencing], as TOML.
  std::string fencing{};
  // Its ftd and engines see a directory of the host's own under the path that
  // all hosts have for it: private_path().
  bool private_directory = false;
  // "NAME=VALUE", of ftd and of the engines that it starts.
  std::vector<std::string> environment{};
};

class Host {
 public:
  Host(Side side, const std::string& name_space, const std::string& bed_dir,
       const std::string& ring_dir);

  const std::string& name() const { return name_; }
  const std::string& dir() const { return dir_; }
  const std::string& ring_dir() const { return ring_dir_; }
  HostOptions& options() { return options_; }

  // Writes the configuration, starts ftd and waits until it answers.
  void StartFtd();
  // The same in two steps. Await is false and says why if it ended or does
  // not answer.
  void LaunchFtd();
  bool AwaitFtd(std::string* why);
  // Of an ftd that has ended, one line: how, and what it said last.
  std::string FtdEnd();
  std::optional<int> ftd_exit_code() {
    return ftd_ ? ftd_->exit_code() : std::nullopt;
  }
  bool ftd_running() { return ftd_ && ftd_->running(); }
  pid_t ftd_pid() const { return ftd_ ? ftd_->pid() : -1; }
  // Runs ftctl against this host's ftd.
  FtctlResult Ftctl(std::vector<std::string> arguments,
                    milliseconds timeout = milliseconds(30000)) const;
  // The same, BedError with ftctl's own line if it fails.
  FtctlResult FtctlOrThrow(std::vector<std::string> arguments,
                           milliseconds timeout = milliseconds(30000)) const;
  // The VM's object out of `status --json`; null if ftd does not answer or
  // does not know the VM.
  boost::json::value Status(const std::string& vm) const;
  // One of its fields as text; "" if there is none, or no answer.
  std::string Field(const std::string& vm, const char* key) const;

  // What the guest wrote on its serial console while it ran here, from the
  // first "Kernel panic" on; "" if it did not panic.
  std::string GuestPanic(const std::string& vm) const;

  std::vector<EngineFacts> Engines() const;
  std::vector<EngineFacts> WatchedEngines(milliseconds watch) const;

  // SIGSTOP or SIGCONT, at once; nothing where there is no such process.
  void SignalFtd(int signal);
  void SignalEngine(const std::string& vm, int signal);
  // SIGKILL, returns when it is gone.
  void KillFtd();
  // SIGKILL to the engine of the VM; false if there was none.
  bool KillEngine(const std::string& vm);
  // What is left of a host that lost its power: ftd first, so that it does
  // not live to see its engine die.
  void KillBoth(const std::string& vm);

  // What lies under private_path() of every host, and where it is in truth.
  std::string private_path() const { return bed_dir_ + "/private"; }
  std::string own_private_path() const { return dir_ + "/private"; }
  // The guest's serial console while it ran here.
  std::string Console(const std::string& vm) const;

  std::string config_path() const { return dir_ + "/ftd.toml"; }
  std::string socket_path() const { return dir_ + "/run/ftd.sock"; }

 private:
  std::string Config() const;

  const Side side_;
  const std::string name_;  // "hostA", "hostB"
  const std::string name_space_;
  const std::string bed_dir_;
  const std::string dir_;
  const std::string ring_dir_;
  HostOptions options_;
  std::unique_ptr<ChildProcess> ftd_;
};

}  // namespace ft::bed
