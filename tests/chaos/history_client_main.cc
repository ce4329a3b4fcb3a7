// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clients as a program; history_process.h has the protocol that it speaks
// on stdin and stdout. With --check it judges a history that lies in a file.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <string>

#include "tests/chaos/history_client.h"
#include "tests/chaos/linearizability.h"

namespace ft::chaos {
namespace {

void Answer(const std::string& line) {
  std::cout << line << "\n" << std::flush;
}

std::string Progress(const HistoryClient& client) {
  return boost::json::serialize(boost::json::object{
      {"answered", client.answered()},
      {"alive", client.alive()},
      {"each", boost::json::value_from(client.answered_each())}});
}

int Serve(const HistoryClientOptions& options) {
  HistoryClient client(options);
  if (!client.Start()) {
    Answer("error " + client.error());
    return 1;
  }
  Answer("ready");
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "progress") {
      Answer(Progress(client));
    } else if (line.starts_with("fault ")) {
      client.MarkFault(std::stoll(line.substr(6)));
      Answer("{}");
    } else if (line == "cut") {
      Answer(ToJson(client.Cut()));
    } else if (line == "finish") {
      Answer(ToJson(client.Finish()));
      return 0;
    }
  }
  return 1;
}

int Check(const std::string& path) {
  const std::vector<Operation> history = ReadHistory(path);
  const CheckResult result = CheckHistory(history);
  if (!result.ok()) {
    std::cout << result.Text();
    return 1;
  }
  std::cout << result.operations << " operations on " << result.keys
            << " keys are linearizable\n";
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("Writes and reads a few keys of a Redis by several connections");
  HistoryClientOptions options;
  std::string check;
  int64_t deadline_ms = options.reply_deadline.count();
  app.add_option("--host", options.host, "address of the Redis server");
  app.add_option("--port", options.port, "its port");
  app.add_option("--connections", options.connections, "that many clients")
      ->check(CLI::Range(1, 16));
  app.add_option("--registers", options.registers, "keys for SET and GET")
      ->check(CLI::Range(1, 1000));
  app.add_option("--lists", options.lists, "keys for RPUSH and LRANGE")
      ->check(CLI::Range(1, 1000));
  app.add_option("--list-length", options.list_length,
                 "pushes on one list before a new one")
      ->check(CLI::Range(1, 1000));
  app.add_option("--reply-deadline-ms", deadline_ms,
                 "no reply for so long: the connection is dead");
  app.add_option("--history", options.history_prefix,
                 "write bad histories to PREFIX.<segment>.jsonl");
  app.add_flag("--keep-all", options.keep_all, "write good histories too");
  app.add_option("--seed", options.seed, "of the choice of operations");
  app.add_option("--check", check, "only judge the history in this file");
  CLI11_PARSE(app, argc, argv);
  options.reply_deadline = std::chrono::milliseconds(deadline_ms);
  if (!check.empty()) return Check(check);
  return Serve(options);
}

}  // namespace
}  // namespace ft::chaos

int main(int argc, char** argv) {
  try {
    return ft::chaos::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "history_client: %s\n", error.what());
    return 1;
  }
}
