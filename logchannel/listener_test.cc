// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/listener.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <random>

#include "logchannel/engine_ring_for_test.h"
#include "logchannel/net_test.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ListenerTest = NetTest;

TEST_F(ListenerTest, PortInUseIsRefusedNamingTheSettings) {
  auto first = Listen();
  auto second =
      Listener::Open(io_, {.address = "127.0.0.1", .port = first->port()});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().message(),
            "cannot listen on 127.0.0.1:" + std::to_string(first->port()) +
                ": Address already in use");
  EXPECT_THAT(second.status().remedy(), HasSubstr("`log_port`"));
}

TEST_F(ListenerTest, AddressThatIsNoneIsRefused) {
  EXPECT_EQ(Listener::Open(io_, {.address = "hostA"}).status().code(),
            Code::kInvalid);
}

TEST_F(ListenerTest, CloseEndsAWaitingAccept) {
  auto listener = Listen();
  bool ended = false;
  Spawn([](Listener* listener, bool& ended) -> Task {
    ended = co_await listener->Accept() == nullptr;
  }(listener.get(), ended));
  Spawn([](std::unique_ptr<Listener>& listener) -> Task {
    listener.reset();
    co_return;
  }(listener));
  Run();
  EXPECT_TRUE(ended);
}

// Serves `count` strangers; each gets one Receive, as an ftd gives it.
asio::awaitable<void> ServeStrangers(Listener* listener, int count,
                                     int& refused) {
  for (int i = 0; i < count; ++i) {
    auto connection = co_await listener->Accept();
    auto frame = co_await connection->Receive(milliseconds(50));
    if (!frame.ok()) ++refused;
  }
}

// Garbage of every size, some with the right magic, some hung up on at once:
// the process lives, refuses each, and the next good peer is served.
TEST_F(ListenerTest, GarbageLeavesTheProcessWell) {
  constexpr int kStrangers = 60;
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  auto listener = Listen();
  int refused = 0;
  Spawn(ServeStrangers(listener.get(), kStrangers, refused));
  const tcp::endpoint door(asio::ip::address_v4::loopback(), listener->port());
  for (int i = 0; i < kStrangers; ++i) {
    tcp::socket stranger(io_);
    stranger.connect(door);
    const auto bytes = PayloadForTest(random(), random() % 3000);
    std::string text = i % 3 == 0 ? "FTLG" : "";
    for (std::byte byte : bytes) text.push_back(static_cast<char>(byte));
    boost::system::error_code hung_up;
    asio::write(stranger, asio::buffer(text), hung_up);
    io_.poll();
    if (i % 4 == 0) {
      stranger.set_option(asio::socket_base::linger(true, 0));  // a reset
    }
  }
  Run();
  EXPECT_EQ(refused, kStrangers);

  Spawn([](Listener* listener) -> Task {
    auto connection = co_await listener->Accept();
    EXPECT_TRUE((co_await connection->Receive()).ok());
  }(listener.get()));
  Run([](uint16_t port) -> Task {
    ConnectOptions options{.address = "127.0.0.1", .port = port};
    auto connected = co_await Connect(options);
    EXPECT_TRUE((co_await (*connected)->Send(HelloHeader())).ok());
  }(listener->port()));
}

}  // namespace
}  // namespace ft::logchannel
