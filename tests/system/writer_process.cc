// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/writer_process.h"

#include <boost/json.hpp>

#include "tests/system/testbed.h"

namespace ft::bed {
namespace {

std::vector<std::string> CommandOf(const WriterOptions& options) {
  std::vector<std::string> argv = {
      SiblingProgram("redis_writer"),
      "--host",
      options.host,
      "--port",
      std::to_string(options.port),
      "--depth",
      std::to_string(options.depth),
      "--value-bytes",
      std::to_string(options.value_bytes),
      "--idle-connections",
      std::to_string(options.idle_connections),
      "--reply-deadline-ms",
      std::to_string(options.reply_deadline.count())};
  if (options.probe) argv.push_back("--probe");
  return argv;
}

}  // namespace

WriterProcess::WriterProcess(const std::string& name_space,
                             const WriterOptions& options,
                             const std::string& error_path)
    : process_(name_space, CommandOf(options),
               options.reply_deadline + ClientProcess::kPrompt, error_path) {}

uint64_t WriterProcess::Acknowledged() {
  return boost::json::value_to<uint64_t>(
      process_.Progress().at("acknowledged"));
}

bool WriterProcess::Alive() {
  return process_.Progress().at("alive").as_bool();
}

bool WriterProcess::WaitForMore(uint64_t count, milliseconds deadline) {
  const uint64_t goal = Acknowledged() + count;
  return Eventually(deadline, [&] { return Acknowledged() >= goal; });
}

WriterReport WriterProcess::Finish() {
  // A stuck connection takes its own deadline to be given up.
  return ReportFromJson(process_.Ask("finish", milliseconds(60000)));
}

}  // namespace ft::bed
