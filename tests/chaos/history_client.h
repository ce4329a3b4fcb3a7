// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clients of the chaos ring: K connections to one Redis, each opened once
// and never again, that write and read the same few keys as fast as they are
// answered, and note all of it (history.h).
//
// A client lives longer than one fault. It works in *segments*; each has keys
// of its own ("s<segment>:r<n>" registers, "s<segment>:l<n>.<generation>"
// lists), is ended by Cut, judged as a whole (linearizability.h), and its
// keys are deleted. The connections live on: the next fault finds them open.
//
//     connection 0   SET ..  GET ..  RPUSH ..           keys of segment 3
//     connection 1   RPUSH ..   LRANGE ..               the same keys
//     connection 2   GET ..  SET ..  SET ..             the same keys
//     ---- Cut: all wait for their last answers; connection 0 reads every
//          key once more (these reads are of the history too); judged ----
//     connection 0   SET ..                             keys of segment 4
//
// A list that is full is left for a new one, so that LRANGE stays short.
//
// A connection that dies (error, closed, or no answer for the deadline) stays
// dead, and its last operation's outcome is unknown; the others go on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/chaos/history.h"

namespace ft::chaos {

class HistoryConnection;
class SegmentKeys;

struct HistoryClientOptions {
  std::string host = "10.77.0.50";
  int port = 6379;
  int connections = 3;
  int registers = 4;
  int lists = 2;
  int list_length = 32;  // pushes on one list before it is left
  std::chrono::milliseconds reply_deadline{30000};
  // Histories are written to <prefix>.<segment>.jsonl; empty: never. Only
  // those that are not linearizable, or all.
  std::string history_prefix{};
  bool keep_all = false;
  // Of the choice of operations and keys.
  uint64_t seed = 1;
};

// What one segment came to. Times are CLOCK_MONOTONIC.
struct SegmentReport {
  int segment = 0;
  uint64_t operations = 0;
  uint64_t unknown = 0;  // of them, without an answer
  int connections = 0;
  int survived = 0;  // connections that are still open
  // "connection 2: Connection reset by peer"; of this segment or an earlier.
  std::vector<std::string> errors{};
  // The verdict, and CheckResult::Text() if it is not "yes".
  bool linearizable = false;
  std::string violation{};
  // Every key was read once more at the end.
  bool read_back = false;
  // The file of this segment's history, if it was written.
  std::string history_file{};
  // Closed loop: the longest time between two consecutive answers on one
  // connection, the second of which came after the fault was marked (0: none
  // was marked). A connection that died counts until the segment's end.
  double blackout_ms = 0;
  // The same before the fault, or over the whole segment without one.
  double longest_gap_before_ms = 0;
  double operations_per_s = 0;  // before the fault
};

std::string ToJson(const SegmentReport& report);
// Throws boost::system::system_error if it is no report.
SegmentReport SegmentReportFromJson(const std::string& json);

// Used by one thread; each connection has a thread of its own.
class HistoryClient {
 public:
  explicit HistoryClient(HistoryClientOptions options);
  ~HistoryClient();
  HistoryClient(const HistoryClient&) = delete;
  HistoryClient& operator=(const HistoryClient&) = delete;

  // Opens every connection, clears the database, and begins segment 1.
  // False: error() says why.
  bool Start();
  const std::string& error() const { return error_; }
  // Answers since the beginning; only grows.
  uint64_t answered() const { return answered_.load(); }
  // Connections that are still open.
  int alive() const;
  // Answers that each connection has had; -1 if it is not open.
  std::vector<int64_t> answered_each() const;
  // The fault of this segment was injected at this time.
  void MarkFault(int64_t monotonic_ns) { fault_ns_.store(monotonic_ns); }
  // Ends the segment and begins the next one (not if no connection is open).
  SegmentReport Cut();
  // Ends the segment and all work.
  SegmentReport Finish();

 private:
  void BeginSegment();
  SegmentReport EndSegment();
  void ReadBack(SegmentReport& report);
  void Judge(SegmentReport& report, std::vector<Operation>& history);
  void Measure(SegmentReport& report) const;

  const HistoryClientOptions options_;
  std::string error_;
  int segment_ = 0;
  std::unique_ptr<SegmentKeys> keys_;  // of this segment
  std::atomic<uint64_t> answered_{0};
  std::atomic<int64_t> fault_ns_{INT64_MAX};
  std::vector<std::unique_ptr<HistoryConnection>> connections_;
};

}  // namespace ft::chaos
