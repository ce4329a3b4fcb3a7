// SPDX-License-Identifier: GPL-2.0-or-later
//
// Who the guest talks to while it is measured: each on a thread of its own,
// with an end that the measuring thread, which carries the log, asks for.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "logchannel/scoped_fd.h"
#include "tests/bench/measured_run.h"

namespace ft::bench {

// Opens the gate of a workload (tests/guest/ready.sh): connects to the
// guest's port 7 and closes again. Does not wait.
class Gate {
 public:
  // To be called until it says true; tries again when nobody listens yet.
  bool Open();

 private:
  ScopedFd socket_;
};

// Takes one connection and sends, or receives until the guest has finished.
class BulkPeer {
 public:
  // Listens when this returns.
  BulkPeer(Peer role, int mebibytes);
  ~BulkPeer();
  BulkPeer(const BulkPeer&) = delete;
  BulkPeer& operator=(const BulkPeer&) = delete;

 private:
  void Main();
  void Send(int connection);

  const Peer role_;
  const int mebibytes_;
  ScopedFd listener_;
  std::jthread thread_;
};

// A Redis client: requests one by one, then many in flight.
class KvClient {
 public:
  KvClient();
  ~KvClient();
  KvClient(const KvClient&) = delete;
  KvClient& operator=(const KvClient&) = delete;

  bool done() const { return done_; }
  // Once done. `error` is empty if all went well.
  const std::string& error() const { return error_; }
  const Requests& requests() const { return requests_; }

 private:
  struct Connection;
  void Main();
  void OneByOne(Connection& connection);
  void ManyInFlight(Connection& connection);

  std::atomic<bool> done_ = false;
  std::string error_;
  Requests requests_;
  std::jthread thread_;
};

// Asks the guest's Redis for the time, again and again, and compares.
class ClockClient {
 public:
  // `busy`: in between the guest computes, else it has nothing to do.
  ClockClient(std::chrono::seconds duration, bool busy);
  ~ClockClient();
  ClockClient(const ClockClient&) = delete;
  ClockClient& operator=(const ClockClient&) = delete;

  bool done() const { return done_; }
  // Once done. `error` is empty if all went well.
  const std::string& error() const { return error_; }
  const ClockRun& run() const { return run_; }

 private:
  void Main(std::chrono::seconds duration, bool busy);

  std::atomic<bool> done_ = false;
  std::string error_;
  ClockRun run_;
  std::jthread thread_;
};

}  // namespace ft::bench
