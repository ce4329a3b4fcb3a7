// SPDX-License-Identifier: GPL-2.0-or-later
//
// ControlServer: the Unix socket run_dir/ftd.sock, mode 0660: whoever may
// open it may do what ftctl does. Each connection is served by its own
// coroutine, request after request; a client that hangs up does not stop the
// verb it asked for.
//
// Single-threaded, the io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

#include "host/vm.h"
#include "logchannel/status.h"

namespace boost::asio {
class io_context;
}

namespace ft::host {

class ControlServer {
 public:
  // Answers one request; see ControlApi::Handle.
  using Handler =
      std::function<boost::asio::awaitable<Result<boost::json::object>>(
          boost::json::object request, Vm::Progress progress)>;

  // Clients at once; the next one gets one error line.
  static constexpr size_t kClientsMax = 64;

  ControlServer(boost::asio::io_context& io, std::string socket_path,
                Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Replaces a socket left by a dead ftd (the caller holds the lock that
  // proves it dead) and listens.
  Status Open();
  // Accepts until Close().
  boost::asio::awaitable<void> Serve();
  // Removes the socket.
  void Close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ft::host
