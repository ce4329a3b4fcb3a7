// SPDX-License-Identifier: GPL-2.0-or-later
//
// Listener: where an ftd awaits the log channels of its peers.
//
//     auto listener = Listener::Open(io, {.address = "10.0.0.1",
//                                         .port = 7600});
//     while (auto connection = co_await (*listener)->Accept()) {
//       co_spawn(io, Serve(connection), detached);
//     }
//
// Anybody may connect and send anything: an accepted connection is a
// stranger until its Hello has been checked. Give the first Receive a
// timeout, and bound how many strangers are being served at once.
//
// Used from one thread, that of its io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "logchannel/connection.h"
#include "logchannel/status.h"

namespace boost::asio {
class io_context;
}

namespace ft::logchannel {

struct ListenOptions {
  std::string address;  // numeric; "0.0.0.0" for every interface
  uint16_t port = 0;    // 0: the kernel chooses, see Listener::port()
};

class Listener {
 public:
  // Invalid when the address is none; Unavailable when it cannot be bound.
  static Result<std::unique_ptr<Listener>> Open(boost::asio::io_context& io,
                                                const ListenOptions& options);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  uint16_t port() const;

  // The next connection; null after Close(). Passing trouble (out of
  // descriptors, a peer that hung up in between) is waited out inside.
  // One Accept at a time; destroying the listener ends it like Close().
  boost::asio::awaitable<std::shared_ptr<Connection>> Accept();

  void Close();

 private:
  struct Socket;
  explicit Listener(std::shared_ptr<Socket> socket);
  static boost::asio::awaitable<std::shared_ptr<Connection>> AcceptFrom(
      std::shared_ptr<Socket> socket);

  const std::shared_ptr<Socket> socket_;  // shared with the accept in flight
};

}  // namespace ft::logchannel
