// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verifying writer (redis_writer.h) as a process in the client's
// namespace. The bed talks to it in lines; it answers each with one line:
//
//     progress         {"acknowledged": n, "alive": true}
//     fault NS         {}          the fault was injected at this time
//     finish           the report; then the process ends
#pragma once

#include <string>

#include "tests/system/client_process.h"
#include "tests/system/redis_writer.h"

namespace ft::bed {

class WriterProcess {
 public:
  // Throws BedError if it cannot connect.
  WriterProcess(const std::string& name_space, const WriterOptions& options,
                const std::string& error_path);

  // Writes acknowledged so far.
  uint64_t Acknowledged();
  // The connection has not failed so far.
  bool Alive();
  // Call right before the fault is injected.
  void MarkFault() { process_.MarkFault(); }
  // Waits until `count` more writes are acknowledged than now.
  bool WaitForMore(uint64_t count, milliseconds deadline);
  // Ends the writing, reads everything back. Once.
  WriterReport Finish();

 private:
  ClientProcess process_;
};

}  // namespace ft::bed
