// SPDX-License-Identifier: GPL-2.0-or-later
//
// The connecting side of a log channel.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "logchannel/connection.h"
#include "logchannel/tcp_stream.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// A connect in progress; shared with its deadline.
struct Attempt {
  explicit Attempt(const asio::any_io_executor& executor)
      : socket(executor), deadline(executor) {}

  tcp::socket socket;
  asio::steady_timer deadline;
  bool done = false;
  bool expired = false;
};

void ArmDeadline(const std::shared_ptr<Attempt>& attempt,
                 std::chrono::milliseconds timeout) {
  attempt->deadline.expires_after(timeout);
  attempt->deadline.async_wait([attempt](auto error) {
    if (error || attempt->done) return;
    attempt->expired = true;
    boost::system::error_code ignored;
    attempt->socket.close(ignored);
  });
}

}  // namespace

asio::awaitable<Result<std::shared_ptr<Connection>>> Connect(
    ConnectOptions options) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    co_return Status::Invalid(
        "peer address '" + options.address + "' is not an IP address",
        "write the address of the host, not its name");
  }
  const tcp::endpoint peer(address, options.port);
  auto attempt = std::make_shared<Attempt>(co_await asio::this_coro::executor);
  ArmDeadline(attempt, options.timeout);
  auto [refused] = co_await attempt->socket.async_connect(
      peer, asio::as_tuple(asio::use_awaitable));
  attempt->done = true;
  attempt->deadline.cancel();
  if (refused || attempt->expired) {
    const std::string why =
        attempt->expired ? "no answer within " +
                               std::to_string(options.timeout.count()) + " ms"
                         : refused.message();
    co_return Status::Unavailable(
        "cannot connect to peer " + ToString(peer) + ": " + why,
        "check that ftd runs there and that the network lets the port through");
  }
  co_return Connection::Over(
      std::make_unique<TcpStream>(std::move(attempt->socket), peer));
}

}  // namespace ft::logchannel
