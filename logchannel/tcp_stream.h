// SPDX-License-Identifier: GPL-2.0-or-later
//
// TcpStream: the ByteStream over plain TCP, with the options that a log
// channel needs:
//   TCP_NODELAY        an acknowledgement leaves at once; a client waits.
//   TCP_USER_TIMEOUT   1000 ms: data that the peer does not acknowledge for
//                      a second ends the connection. Measured: 1.4 s after a
//                      silent partition; plain TCP shows nothing for 25 s.
//                      Detection does not wait for it (heartbeats: 500 ms);
//                      it cleans up behind a failover.
//   SO_KEEPALIVE       every second when idle, for the same end.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "logchannel/byte_stream.h"

namespace ft::logchannel {

inline constexpr int kTcpUserTimeoutMs = 1000;
inline constexpr int kTcpKeepaliveSeconds = 1;

class TcpStream : public ByteStream {
 public:
  // `socket` is connected to `peer`. Sets the options above.
  TcpStream(boost::asio::ip::tcp::socket socket,
            const boost::asio::ip::tcp::endpoint& peer);

  std::string peer() const override;
  std::string peer_address() const override;
  boost::asio::awaitable<Result<size_t>> Read(
      std::span<std::byte> out) override;
  boost::asio::awaitable<Status> Write(
      std::array<boost::asio::const_buffer, 2> buffers) override;
  void Close() override;

 private:
  Status Broken(const boost::system::error_code& error) const;

  boost::asio::ip::tcp::socket socket_;
  const boost::asio::ip::tcp::endpoint peer_;
};

// "10.0.0.2:7600", "[fe80::1]:7600".
std::string ToString(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace ft::logchannel
