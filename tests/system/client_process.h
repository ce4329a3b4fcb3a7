// SPDX-License-Identifier: GPL-2.0-or-later
//
// A client program in the bed's client namespace, which the bed talks to in
// lines: it prints "ready", or "error WHY", and answers each line with one.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "tests/system/child_process.h"

namespace ft::bed {

class ClientProcess {
 public:
  // Throws BedError if it is not ready in time.
  ClientProcess(const std::string& name_space,
                const std::vector<std::string>& argv, milliseconds ready_within,
                const std::string& error_path);

  // An answer takes at most this where no connection is waited for.
  static constexpr milliseconds kPrompt{5000};

  // The answer; BedError if there is none.
  std::string Ask(const std::string& line, milliseconds deadline);
  // The answer to "progress".
  boost::json::object Progress();
  // "fault NS": call right before the fault is injected.
  void MarkFault();
  bool running() { return process_.running(); }

 private:
  const std::string name_;
  ChildProcess process_;
};

}  // namespace ft::bed
