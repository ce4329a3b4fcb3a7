// SPDX-License-Identifier: GPL-2.0-or-later
//
// Daemon: all parts of one ftd, from a checked Config to a process that may
// exit. Everything runs on one io_context and the thread of Run(); blocking
// calls go to two helper threads and to those of AsyncTestAndSet.
//
//     Open ... lock, directories, test-and-set probe, ports, control socket;
//              the first that fails is the one line that ftd dies with
//     Run .... recovery of the VMs, then serving until SIGTERM or SIGINT
//              (protection ends with Bye, VMs run on); a second signal does
//              not wait for that
#pragma once

#include <memory>

#include "host/config.h"
#include "logchannel/status.h"

namespace ft::host {

class Daemon {
 public:
  explicit Daemon(Config config);
  // Never runs in ftd: main ends the process after Run(), because threads
  // may hang in dead storage.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Status Open();
  void Run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ft::host
