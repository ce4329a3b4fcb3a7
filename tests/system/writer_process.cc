// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/writer_process.h"

#include <boost/json.hpp>

#include "tests/system/network.h"
#include "tests/system/testbed.h"

namespace ft::bed {
namespace {

ChildProcess::Options CommandOf(const std::string& name_space,
                                const WriterOptions& options,
                                const std::string& error_path) {
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
  return {.argv = Network::Inside(name_space, argv),
          .output_path = "",
          .error_path = error_path,
          .talk = true};
}

}  // namespace

WriterProcess::WriterProcess(const std::string& name_space,
                             const WriterOptions& options,
                             const std::string& error_path)
    : process_(CommandOf(name_space, options, error_path)) {
  const auto line =
      process_.ReadLine(options.reply_deadline + milliseconds(5000));
  if (line != "ready") {
    throw BedError("the writer did not start: " +
                   line.value_or("it said nothing, see " + error_path));
  }
}

std::string WriterProcess::Ask(const std::string& line, milliseconds deadline) {
  if (process_.WriteLine(line)) {
    if (const auto answer = process_.ReadLine(deadline)) return *answer;
  }
  throw BedError("the writer does not answer \"" + line + "\"");
}

uint64_t WriterProcess::Acknowledged() {
  const auto progress =
      boost::json::parse(Ask("progress", milliseconds(5000))).as_object();
  return boost::json::value_to<uint64_t>(progress.at("acknowledged"));
}

bool WriterProcess::Alive() {
  const auto progress =
      boost::json::parse(Ask("progress", milliseconds(5000))).as_object();
  return progress.at("alive").as_bool();
}

void WriterProcess::MarkFault() {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
      Clock::now().time_since_epoch());
  Ask("fault " + std::to_string(now.count()), milliseconds(5000));
}

bool WriterProcess::WaitForMore(uint64_t count, milliseconds deadline) {
  const uint64_t goal = Acknowledged() + count;
  return Eventually(deadline, [&] { return Acknowledged() >= goal; });
}

WriterReport WriterProcess::Finish() {
  // A stuck connection takes its own deadline to be given up.
  return ReportFromJson(Ask("finish", milliseconds(60000)));
}

}  // namespace ft::bed
