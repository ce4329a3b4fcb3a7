// SPDX-License-Identifier: GPL-2.0-or-later
//
// ByteStream: the seam below Connection. A connected, ordered, two-way
// stream of bytes to one peer. TcpStream is the one there is; TLS will be a
// second implementation that wraps it.
//
// Used from one thread, that of its io_context.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "logchannel/status.h"

namespace ft::logchannel {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // "10.0.0.2:7600" and "10.0.0.2"; constant, valid after the end too.
  virtual std::string peer() const = 0;
  virtual std::string peer_address() const = 0;

  // At least one byte into `out` (not empty); the count. An orderly end by
  // the peer is an error like any other, said in its own words. At most one
  // Read and one Write at a time.
  virtual boost::asio::awaitable<Result<size_t>> Read(
      std::span<std::byte> out) = 0;
  // All of both buffers, by one writev when the socket takes them.
  virtual boost::asio::awaitable<Status> Write(
      std::array<boost::asio::const_buffer, 2> buffers) = 0;

  // Suspended reads and writes complete with an error. Idempotent.
  virtual void Close() = 0;
};

}  // namespace ft::logchannel
