// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clients (history_client.h) as a process in the bed's client namespace.
// The bed talks to it in lines; it answers each with one line:
//
//     progress     {"answered": n, "alive": n, "each": [n, n, -1]}
//     fault NS     {}              the fault was injected at this time
//     cut          the segment's report; the next segment has begun
//     finish       the last segment's report; then the process ends
//
// Its program is history_client; it prints "ready", or "error WHY", first.
#pragma once

#include <string>

#include "tests/chaos/history_client.h"
#include "tests/system/client_process.h"

namespace ft::chaos {

class HistoryProcess {
 public:
  // `program` is the path of history_client. Throws bed::BedError if it
  // cannot connect.
  HistoryProcess(const std::string& program, const std::string& name_space,
                 const HistoryClientOptions& options,
                 const std::string& error_path);

  // Answers so far, of all connections.
  uint64_t Answered();
  // Connections that are open.
  int Alive();
  // Call right before the fault is injected.
  void MarkFault() { process_.MarkFault(); }
  // Waits until every open connection has had `count` more answers than now.
  // False at the deadline, or if none is open.
  bool WaitForMore(uint64_t count, bed::milliseconds deadline);
  // Ends the segment; the next one has begun when it returns.
  SegmentReport Cut();
  // Ends everything. Once.
  SegmentReport Finish();
  bool running() { return process_.running(); }

 private:
  std::vector<int64_t> AnsweredEach();

  // For the slowest answer and the deadline of a dead connection.
  const bed::milliseconds deadline_;
  bed::ClientProcess process_;
};

}  // namespace ft::chaos
