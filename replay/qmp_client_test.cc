// SPDX-License-Identifier: GPL-2.0-or-later
//
// The other end is a few lines of Asio on the same thread: it says what the
// test wants and remembers what it was asked.
#include "replay/qmp_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>

namespace ft::replay {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::local::stream_protocol;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr milliseconds kSoon(10'000);
constexpr char kGreeting[] = "{\"QMP\": {\"version\": {}}}\r\n";

class QmpClientTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/qmp." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ + "/qmp";
    acceptor_.open();
    acceptor_.bind(stream_protocol::endpoint(path_));
    acceptor_.listen();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Runs the test's coroutine and the server until both have ended.
  void Run(asio::awaitable<void> test) {
    Spawn(Serve());
    Spawn(std::move(test));
    io_.run();
  }
  void Spawn(asio::awaitable<void> coroutine) {
    asio::co_spawn(io_, std::move(coroutine), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }

  asio::awaitable<void> Serve() {
    server_ = co_await acceptor_.async_accept(asio::use_awaitable);
    co_await Say(greeting_);
    for (;;) {
      std::string command = co_await NextCommand();
      if (command.empty()) co_return;
      co_await Answer(command);
    }
  }

  asio::awaitable<std::string> NextCommand() {
    boost::system::error_code error;
    const size_t size = co_await asio::async_read_until(
        server_, asio::dynamic_buffer(inbox_), '\n',
        asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return "";
    const json::object message =
        json::parse(inbox_.substr(0, size)).as_object();
    inbox_.erase(0, size);
    last_ = message;
    commands_.emplace_back(message.at("execute").as_string().c_str());
    co_return commands_.back();
  }

  asio::awaitable<void> Answer(const std::string& command) {
    const std::string id = std::to_string(last_.at("id").as_int64());
    if (command == "silent") co_return;
    if (command == "fail") {
      co_await Say("{\"id\": " + id +
                   ", \"error\": {\"class\": "
                   "\"GenericError\", \"desc\": \"no such thing\"}}\r\n");
    } else if (command == "hang-up") {
      server_.close();
    } else if (command == "garbage") {
      co_await Say("garbage\n");
    } else if (command == "first") {
      held_ = id;
    } else if (command == "second") {
      co_await Say("{\"return\": 2, \"id\": " + id + "}\n");
      co_await Say("{\"return\": 1, \"id\": " + held_ + "}\n");
    } else if (command == "event") {
      co_await Say(
          "{\"event\": \"FT_FOLLOW\", \"data\": {\"position\": 7}}\n"
          "{\"return\": {}, \"id\": " +
          id + "}\n");
    } else {
      co_await Say("{\"return\": {}, \"id\": " + id + "}\n");
    }
  }

  asio::awaitable<void> Say(std::string text) {
    co_await asio::async_write(server_, asio::buffer(text),
                               asio::use_awaitable);
  }

  asio::awaitable<std::unique_ptr<QmpClient>> Connected() {
    auto client = co_await QmpClient::Connect(path_, kSoon);
    EXPECT_TRUE(client.ok()) << client.status().ToString();
    co_return std::move(*client);
  }

  asio::io_context io_;
  std::string directory_;
  std::string path_;
  stream_protocol::acceptor acceptor_{io_};
  stream_protocol::socket server_{io_};
  std::string greeting_ = kGreeting;
  std::string inbox_;
  json::object last_;
  std::string held_;
  std::vector<std::string> commands_;
};

TEST_F(QmpClientTest, Connect_NegotiatesFirst) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    json::object arguments;
    arguments["value"] = 5;
    auto answer = co_await client->Execute("do", arguments);
    EXPECT_TRUE(answer.ok());
    EXPECT_EQ(last_.at("arguments").at("value").as_int64(), 5);
  }());
  EXPECT_THAT(commands_, ElementsAre("qmp_capabilities", "do"));
}

TEST_F(QmpClientTest, Error_IsTheEnginesOwnLine) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    auto answer = co_await client->Execute("fail");
    EXPECT_EQ(answer.status().code(), Code::kFailed);
    EXPECT_EQ(answer.status().message(), "no such thing");
  }());
}

TEST_F(QmpClientTest, Answers_FindTheirCallersInAnyOrder) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    asio::steady_timer sent(io_, milliseconds(1));
    int64_t first = 0;
    Spawn([](QmpClient& c, int64_t& out) -> asio::awaitable<void> {
      auto answer = co_await c.Execute("first");
      if (answer.ok()) out = answer->as_int64();
    }(*client, first));
    co_await sent.async_wait(asio::use_awaitable);
    auto answer = co_await client->Execute("second");
    EXPECT_TRUE(answer.ok());
    EXPECT_EQ(answer->as_int64(), 2);
    // Its answer is on the way right behind.
    (void)co_await client->Execute("do");
    EXPECT_EQ(first, 1);
  }());
}

TEST_F(QmpClientTest, Event_ArrivesBeforeTheAnswerBehindIt) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    std::vector<std::string> events;
    client->set_event_handler(
        [&](const std::string& name, const json::object& data) {
          EXPECT_EQ(data.at("position").as_int64(), 7);
          events.push_back(name);
        });
    (void)co_await client->Execute("event");
    EXPECT_THAT(events, ElementsAre("FT_FOLLOW"));
  }());
}

TEST_F(QmpClientTest, Timeout_EndsTheCommandAndKeepsTheConnection) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    auto answer = co_await client->Execute("silent", {}, milliseconds(1));
    EXPECT_EQ(answer.status().code(), Code::kUnavailable);
    EXPECT_THAT(answer.status().message(), HasSubstr("within 1 ms"));
    answer = co_await client->Execute("do");
    EXPECT_TRUE(answer.ok());
  }());
}

TEST_F(QmpClientTest, HangUp_EndsCommandsAndTellsOnce) {
  for (const std::string how : {"hang-up", "garbage"}) {
    Run([this, how]() -> asio::awaitable<void> {
      auto client = co_await Connected();
      int lost = 0;
      client->set_lost_handler([&](const Status& why) {
        EXPECT_THAT(why.message(), HasSubstr(path_));
        ++lost;
      });
      auto answer = co_await client->Execute(how);
      EXPECT_EQ(answer.status().code(), Code::kUnavailable);
      answer = co_await client->Execute("do");
      EXPECT_EQ(answer.status().code(), Code::kUnavailable);
      EXPECT_FALSE(client->connected());
      EXPECT_EQ(lost, 1);
    }());
    io_.restart();
  }
}

TEST_F(QmpClientTest, Destruction_EndsCommandsWithoutTheLostHandler) {
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await Connected();
    client->set_lost_handler([](const Status&) { ADD_FAILURE(); });
    Status outcome;
    Spawn([](QmpClient& c, Status& out) -> asio::awaitable<void> {
      auto answer = co_await c.Execute("silent");
      out = answer.status();
    }(*client, outcome));
    asio::steady_timer timer(io_, milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
    client.reset();
    timer.expires_after(milliseconds(5));
    co_await timer.async_wait(asio::use_awaitable);
    EXPECT_EQ(outcome.code(), Code::kUnavailable);
  }());
}

TEST_F(QmpClientTest, Connect_RefusesWhatIsNoQmp) {
  greeting_ = "{\"hello\": 1}\n";
  Run([this]() -> asio::awaitable<void> {
    auto client = co_await QmpClient::Connect(path_, kSoon);
    EXPECT_THAT(client.status().message(), HasSubstr("is no QMP socket"));
    client = co_await QmpClient::Connect(directory_ + "/none", kSoon);
    EXPECT_THAT(client.status().message(),
                HasSubstr("No such file or directory"));
  }());
}

TEST_F(QmpClientTest, Connect_GivesUpOnASilentListener) {
  // Named, because the coroutine uses the lambda's captures until it ends.
  const auto test = [this]() -> asio::awaitable<void> {
    auto client = co_await QmpClient::Connect(path_, milliseconds(5));
    EXPECT_EQ(client.status().code(), Code::kUnavailable);
  };
  Spawn(test());
  io_.run();
}

}  // namespace
}  // namespace ft::replay
