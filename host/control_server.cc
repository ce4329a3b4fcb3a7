// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/control_server.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <deque>

#include "host/control_protocol.h"

namespace ft::host {
namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {

// One connection. Shared between the coroutine that reads and handles and
// the one that writes, because progress is produced from inside a handler.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(stream_protocol::socket socket, const ControlServer::Handler& handler)
      : socket_(std::move(socket)), handler_(handler) {}

  asio::awaitable<void> Run() {
    auto self = shared_from_this();
    LineReader lines;
    std::array<char, 4096> bytes;
    for (;;) {
      boost::system::error_code error;
      size_t count = co_await socket_.async_read_some(
          asio::buffer(bytes),
          asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return;
      lines.Add({bytes.data(), count});
      if (!co_await HandleLines(lines)) co_return;
    }
  }

 private:
  // False when the stream is of no more use.
  asio::awaitable<bool> HandleLines(LineReader& lines) {
    for (;;) {
      auto line = lines.Next();
      if (!line.ok()) {
        Write(FormatError(line.status()));
        co_return false;
      }
      if (!line->has_value()) co_return true;
      auto request = ParseRequest(**line);
      if (!request.ok()) {
        Write(FormatError(request.status()));
        continue;
      }
      auto progress = [self = shared_from_this()](const std::string& stage,
                                                  const std::string& text) {
        self->Write(FormatProgress(stage, text));
      };
      auto result = co_await handler_(std::move(*request), progress);
      Write(result.ok() ? FormatResult(std::move(*result))
                        : FormatError(result.status()));
    }
  }

  // Queues; a client that does not read its answers is hung up on.
  void Write(std::string line) {
    constexpr size_t kLinesMax = 1024;
    if (outgoing_.size() >= kLinesMax) {
      boost::system::error_code ignored;
      socket_.close(ignored);
      return;
    }
    outgoing_.push_back(std::move(line));
    if (outgoing_.size() == 1) {
      asio::co_spawn(socket_.get_executor(), Drain(), asio::detached);
    }
  }

  asio::awaitable<void> Drain() {
    auto self = shared_from_this();
    while (!outgoing_.empty()) {
      boost::system::error_code error;
      co_await asio::async_write(
          socket_, asio::buffer(outgoing_.front()),
          asio::redirect_error(asio::use_awaitable, error));
      outgoing_.pop_front();
      if (error) outgoing_.clear();
    }
  }

  stream_protocol::socket socket_;
  const ControlServer::Handler& handler_;
  std::deque<std::string> outgoing_;  // the first one is being written
};

}  // namespace

struct ControlServer::Impl {
  Impl(asio::io_context& context, std::string path, Handler h)
      : io(context),
        socket_path(std::move(path)),
        handler(std::move(h)),
        acceptor(context) {}

  asio::io_context& io;
  const std::string socket_path;
  const Handler handler;
  stream_protocol::acceptor acceptor;
  size_t clients = 0;
};

ControlServer::ControlServer(asio::io_context& io, std::string socket_path,
                             Handler handler)
    : impl_(std::make_unique<Impl>(io, std::move(socket_path),
                                   std::move(handler))) {}

ControlServer::~ControlServer() = default;

Status ControlServer::Open() {
  const std::string& path = impl_->socket_path;
  sockaddr_un name;
  if (path.size() >= sizeof(name.sun_path)) {
    return Status::Invalid(fmt::format("socket path {} is too long", path),
                           "shorten run_dir in ftd's config");
  }
  unlink(path.c_str());
  boost::system::error_code error;
  impl_->acceptor.open(stream_protocol(), error);
  // Created closed, opened to the group afterwards: no moment in which
  // others could connect.
  mode_t mask = umask(0177);
  if (!error) impl_->acceptor.bind(stream_protocol::endpoint(path), error);
  umask(mask);
  if (!error && chmod(path.c_str(), 0660) != 0) {
    error.assign(errno, boost::system::system_category());
  }
  if (!error) impl_->acceptor.listen(16, error);
  if (!error) return Status::Ok();
  return Status::Invalid(
      fmt::format("cannot listen at {}: {}", path, error.message()),
      "check run_dir in ftd's config");
}

asio::awaitable<void> ControlServer::Serve() {
  for (;;) {
    boost::system::error_code error;
    stream_protocol::socket socket = co_await impl_->acceptor.async_accept(
        asio::redirect_error(asio::use_awaitable, error));
    if (!impl_->acceptor.is_open()) co_return;
    if (error) {  // out of descriptors: wait until a client leaves
      asio::steady_timer pause(impl_->io, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::use_awaitable);
      continue;
    }
    if (impl_->clients >= kClientsMax) {
      std::string line = FormatError(
          Status::Unavailable("ftd serves too many clients", "try again"));
      asio::write(socket, asio::buffer(line), error);
      continue;
    }
    ++impl_->clients;
    auto client = std::make_shared<Client>(std::move(socket), impl_->handler);
    asio::co_spawn(
        impl_->io, client->Run(),
        [impl = impl_.get()](std::exception_ptr) { --impl->clients; });
  }
}

void ControlServer::Close() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  unlink(impl_->socket_path.c_str());
}

}  // namespace ft::host
