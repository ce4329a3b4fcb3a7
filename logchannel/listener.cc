// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/listener.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "logchannel/check.h"
#include "logchannel/tcp_stream.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// Without descriptors the next try fails as well; give it time.
constexpr std::chrono::milliseconds kAcceptRetry{100};

}  // namespace

struct Listener::Socket {
  explicit Socket(asio::io_context& io) : acceptor(io), retry(io) {}

  tcp::acceptor acceptor;
  asio::steady_timer retry;
};

Result<std::unique_ptr<Listener>> Listener::Open(asio::io_context& io,
                                                 const ListenOptions& options) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Status::Invalid("listen address '" + options.address +
                           "' is not an IP address");
  }
  const tcp::endpoint local(address, options.port);
  auto socket = std::make_shared<Socket>(io);
  auto& acceptor = socket->acceptor;
  acceptor.open(local.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(local, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    return Status::Unavailable(
        "cannot listen on " + ToString(local) + ": " + error.message(),
        "check `listen` and `log_port` of this host's configuration");
  }
  return std::unique_ptr<Listener>(new Listener(std::move(socket)));
}

Listener::Listener(std::shared_ptr<Socket> socket)
    : socket_(std::move(socket)) {}

Listener::~Listener() { Close(); }

uint16_t Listener::port() const {
  boost::system::error_code error;
  return socket_->acceptor.local_endpoint(error).port();
}

asio::awaitable<std::shared_ptr<Connection>> Listener::Accept() {
  return AcceptFrom(socket_);
}

asio::awaitable<std::shared_ptr<Connection>> Listener::AcceptFrom(
    std::shared_ptr<Socket> socket) {
  while (socket->acceptor.is_open()) {
    tcp::socket accepted(socket->acceptor.get_executor());
    tcp::endpoint peer;
    auto [error] =
        co_await socket->acceptor.async_accept(accepted, peer, kAwait);
    if (!error) {
      co_return Connection::Over(
          std::make_unique<TcpStream>(std::move(accepted), peer));
    }
    if (error == asio::error::connection_aborted) continue;
    socket->retry.expires_after(kAcceptRetry);
    if (socket->acceptor.is_open()) co_await socket->retry.async_wait(kAwait);
  }
  co_return nullptr;
}

void Listener::Close() {
  boost::system::error_code ignored;
  socket_->acceptor.close(ignored);
  socket_->retry.cancel();
}

}  // namespace ft::logchannel
