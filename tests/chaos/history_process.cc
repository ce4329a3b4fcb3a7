// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/history_process.h"

#include <boost/json.hpp>

#include "tests/system/testbed.h"

namespace ft::chaos {
namespace {

using bed::milliseconds;

// Judging a long segment, beside a busy machine.
constexpr milliseconds kJudging{60000};

std::vector<std::string> CommandOf(const std::string& program,
                                   const HistoryClientOptions& options) {
  std::vector<std::string> argv = {
      program,
      "--host",
      options.host,
      "--port",
      std::to_string(options.port),
      "--connections",
      std::to_string(options.connections),
      "--registers",
      std::to_string(options.registers),
      "--lists",
      std::to_string(options.lists),
      "--list-length",
      std::to_string(options.list_length),
      "--reply-deadline-ms",
      std::to_string(options.reply_deadline.count()),
      "--seed",
      std::to_string(options.seed)};
  if (!options.history_prefix.empty()) {
    argv.insert(argv.end(), {"--history", options.history_prefix});
  }
  if (options.keep_all) argv.push_back("--keep-all");
  return argv;
}

}  // namespace

HistoryProcess::HistoryProcess(const std::string& program,
                               const std::string& name_space,
                               const HistoryClientOptions& options,
                               const std::string& error_path)
    // A dead connection is waited for twice: by its own thread, and by the
    // one that reads everything back.
    : deadline_(2 * options.reply_deadline + kJudging),
      process_(name_space, CommandOf(program, options),
               options.reply_deadline + bed::ClientProcess::kPrompt,
               error_path) {}

uint64_t HistoryProcess::Answered() {
  return boost::json::value_to<uint64_t>(process_.Progress().at("answered"));
}

int HistoryProcess::Alive() {
  return boost::json::value_to<int>(process_.Progress().at("alive"));
}

std::vector<int64_t> HistoryProcess::AnsweredEach() {
  return boost::json::value_to<std::vector<int64_t>>(
      process_.Progress().at("each"));
}

bool HistoryProcess::WaitForMore(uint64_t count, milliseconds deadline) {
  const std::vector<int64_t> begin = AnsweredEach();
  return bed::Eventually(deadline, [&] {
    const std::vector<int64_t> now = AnsweredEach();
    int served = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      if (now[i] < 0) continue;  // it is dead: nobody waits for it
      if (now[i] < begin[i] + static_cast<int64_t>(count)) return false;
      ++served;
    }
    return served > 0;
  });
}

SegmentReport HistoryProcess::Cut() {
  return SegmentReportFromJson(process_.Ask("cut", deadline_));
}

SegmentReport HistoryProcess::Finish() {
  return SegmentReportFromJson(process_.Ask("finish", deadline_));
}

}  // namespace ft::chaos
