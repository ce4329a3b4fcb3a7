// SPDX-License-Identifier: GPL-2.0-or-later
//
// The verifying writer as a program; writer_process.h has the protocol that
// it speaks on stdin and stdout.
#include <hiredis/hiredis.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>
#include <thread>

#include "tests/system/redis_writer.h"

namespace ft::bed {
namespace {

bool AnswersPing(const WriterOptions& options) {
  redisContext* connection = redisConnectWithTimeout(
      options.host.c_str(), options.port, timeval{0, 200'000});
  bool answers = false;
  if (connection && !connection->err) {
    redisSetTimeout(connection, timeval{1, 0});
    auto* reply = static_cast<redisReply*>(redisCommand(connection, "PING"));
    answers = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply) freeReplyObject(reply);
  }
  if (connection) redisFree(connection);
  return answers;
}

int WaitOnly(const WriterOptions& options, int seconds) {
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!AnswersPing(options)) {
    if (std::chrono::steady_clock::now() >= end) return 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 0;
}

void Answer(const std::string& line) {
  std::cout << line << "\n" << std::flush;
}

int Serve(const WriterOptions& options) {
  RedisWriter writer(options);
  if (!writer.Start()) {
    Answer("error " + writer.error());
    return 1;
  }
  Answer("ready");
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "progress") {
      Answer("{\"acknowledged\": " + std::to_string(writer.acknowledged()) +
             ", \"alive\": " + (writer.connection_alive() ? "true" : "false") +
             "}");
    } else if (line.starts_with("fault ")) {
      writer.MarkFault(std::stoll(line.substr(6)));
      Answer("{}");
    } else if (line == "finish") {
      Answer(ToJson(writer.Finish()));
      return 0;
    }
  }
  return 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Writes into Redis over one connection and checks every write");
  WriterOptions options;
  int wait_seconds = -1;
  int64_t deadline_ms = options.reply_deadline.count();
  std::optional<uint64_t> earlier;
  app.add_option("--host", options.host, "address of the Redis server");
  app.add_option("--port", options.port, "its port");
  app.add_option("--depth", options.depth, "writes in flight at once");
  app.add_option("--value-bytes", options.value_bytes, "length of a value");
  app.add_flag("--probe", options.probe, "ping the host every 5 ms");
  app.add_option("--idle-connections", options.idle_connections,
                 "connections that are used at the end only");
  app.add_option("--reply-deadline-ms", deadline_ms,
                 "no reply for so long: the connection is dead");
  app.add_option("--wait-only", wait_seconds,
                 "only wait until Redis answers, at most so many seconds");
  app.add_option("--read-again", earlier,
                 "read back so many writes of an earlier writer, and end");
  CLI11_PARSE(app, argc, argv);
  options.reply_deadline = std::chrono::milliseconds(deadline_ms);
  if (wait_seconds >= 0) return WaitOnly(options, wait_seconds);
  if (earlier) {
    Answer(ToJson(RedisWriter(options).ReadAgain(*earlier)));
    return 0;
  }
  return Serve(options);
}

}  // namespace
}  // namespace ft::bed

int main(int argc, char** argv) { return ft::bed::Main(argc, argv); }
