// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/tcp_stream.h"

#include <netinet/tcp.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <sstream>
#include <utility>

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

template <int kName>
using TcpInt = asio::detail::socket_option::integer<IPPROTO_TCP, kName>;

// A socket whose peer has just gone may refuse an option; its first read
// says so better.
void SetOptions(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  socket.set_option(TcpInt<TCP_USER_TIMEOUT>(kTcpUserTimeoutMs), ignored);
  socket.set_option(TcpInt<TCP_KEEPIDLE>(kTcpKeepaliveSeconds), ignored);
  socket.set_option(TcpInt<TCP_KEEPINTVL>(kTcpKeepaliveSeconds), ignored);
}

}  // namespace

std::string ToString(const tcp::endpoint& endpoint) {
  std::ostringstream text;
  text << endpoint;
  return text.str();
}

TcpStream::TcpStream(tcp::socket socket, const tcp::endpoint& peer)
    : socket_(std::move(socket)), peer_(peer) {
  SetOptions(socket_);
}

std::string TcpStream::peer() const { return ToString(peer_); }

std::string TcpStream::peer_address() const {
  return peer_.address().to_string();
}

Status TcpStream::Broken(const boost::system::error_code& error) const {
  if (error == asio::error::eof) {
    return Status::Unavailable("peer " + peer() + " closed the connection");
  }
  return Status::Unavailable("connection to peer " + peer() + ": " +
                             error.message());
}

asio::awaitable<Result<size_t>> TcpStream::Read(std::span<std::byte> out) {
  auto [error, bytes] = co_await socket_.async_read_some(
      asio::buffer(out.data(), out.size()), kAwait);
  if (error) co_return Broken(error);
  co_return bytes;
}

asio::awaitable<Status> TcpStream::Write(
    std::array<asio::const_buffer, 2> buffers) {
  auto [error, bytes] = co_await asio::async_write(socket_, buffers, kAwait);
  co_return error ? Broken(error) : Status::Ok();
}

void TcpStream::Close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace ft::logchannel
