// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the tests of ft_logchannel_net share: an io_context that runs
// coroutines to their end, and pairs of connections over loopback.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

#include "logchannel/connection.h"
#include "logchannel/listener.h"

namespace ft::logchannel {

// Wall-clock bound of one Run(): far above what any test needs.
inline constexpr std::chrono::seconds kRunLimit{20};

class NetTest : public ::testing::Test {
 protected:
  using Task = boost::asio::awaitable<void>;

  // Starts `task`; Run() takes it to its end.
  void Spawn(Task task) {
    ++running_;
    boost::asio::co_spawn(io_, std::move(task),
                          [this](std::exception_ptr thrown) {
                            --running_;
                            if (thrown) std::rethrow_exception(thrown);
                          });
  }

  // Until every spawned task has ended; a failure if they do not.
  void Run() {
    const auto limit = std::chrono::steady_clock::now() + kRunLimit;
    io_.restart();
    while (running_ > 0 && std::chrono::steady_clock::now() < limit) {
      io_.run_one_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(running_, 0) << "tasks did not end";
  }

  void Run(Task task) {
    Spawn(std::move(task));
    Run();
  }

  std::unique_ptr<Listener> Listen() {
    auto listener = Listener::Open(io_, {.address = "127.0.0.1"});
    EXPECT_TRUE(listener.ok()) << listener.status().message();
    return std::move(*listener);
  }

  boost::asio::io_context io_;

 private:
  int running_ = 0;
};

// Both ends of one connection.
class PairTest : public NetTest {
 protected:
  PairTest() {
    auto listener = Listen();
    Spawn([](PairTest* test, Listener* listener) -> Task {
      test->backup_ = co_await listener->Accept();
    }(this, listener.get()));
    Spawn([](PairTest* test, uint16_t port) -> Task {
      ConnectOptions options{.address = "127.0.0.1", .port = port};
      auto connected = co_await Connect(options);
      EXPECT_TRUE(connected.ok()) << connected.status().message();
      test->primary_ = *connected;
    }(this, listener->port()));
    Run();
  }

  std::shared_ptr<Connection> primary_;
  std::shared_ptr<Connection> backup_;
};

inline wire::FrameHeader HelloHeader() {
  wire::FrameHeader header;
  header.mutable_hello()->set_version(kLogChannelVersion);
  return header;
}

inline wire::FrameHeader EntriesHeader(uint64_t first) {
  wire::FrameHeader header;
  header.mutable_entries()->set_first(first);
  return header;
}

inline wire::FrameHeader AckHeader(uint64_t received) {
  wire::FrameHeader header;
  header.mutable_ack()->set_received(received);
  return header;
}

}  // namespace ft::logchannel
