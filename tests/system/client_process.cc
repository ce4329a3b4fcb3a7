// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/client_process.h"

#include <boost/json/parse.hpp>
#include <filesystem>

#include "tests/system/network.h"
#include "tests/system/reply_times.h"

namespace ft::bed {

ClientProcess::ClientProcess(const std::string& name_space,
                             const std::vector<std::string>& argv,
                             milliseconds ready_within,
                             const std::string& error_path)
    : name_(std::filesystem::path(argv.at(0)).filename()),
      process_({.argv = Network::Inside(name_space, argv),
                .error_path = error_path,
                .talk = true}) {
  const auto line = process_.ReadLine(ready_within);
  if (line != "ready") {
    throw BedError(name_ + " did not start: " +
                   line.value_or("it said nothing, see " + error_path));
  }
}

std::string ClientProcess::Ask(const std::string& line, milliseconds deadline) {
  if (process_.WriteLine(line)) {
    if (const auto answer = process_.ReadLine(deadline)) return *answer;
  }
  throw BedError(name_ + " does not answer \"" + line + "\"");
}

boost::json::object ClientProcess::Progress() {
  return boost::json::parse(Ask("progress", kPrompt)).as_object();
}

void ClientProcess::MarkFault() {
  Ask("fault " + std::to_string(MonotonicNs()), kPrompt);
}

}  // namespace ft::bed
