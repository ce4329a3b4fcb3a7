// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/log_listener.h"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "host/vm_registry.h"
#include "logchannel/connection.h"

namespace ft::host {

Status LogListener::Open() {
  auto listener = logchannel::Listener::Open(
      context_.io,
      {.address = context_.config.listen, .port = context_.config.log_port});
  if (!listener.ok()) return listener.status();
  listener_ = std::move(*listener);
  return Status::Ok();
}

void LogListener::Close() { listener_->Close(); }

boost::asio::awaitable<void> LogListener::Serve() {
  while (auto connection = co_await listener_->Accept()) {
    if (strangers_ >= kStrangersMax) {
      spdlog::warn("log channel: peer {}: one stranger too many",
                   connection->peer());
      connection->Close();
      continue;
    }
    boost::asio::co_spawn(context_.io, Greet(std::move(connection)),
                          boost::asio::detached);
  }
}

boost::asio::awaitable<void> LogListener::Greet(
    std::shared_ptr<logchannel::Connection> connection) {
  ++strangers_;
  auto frame = co_await connection->Receive(kHelloTimeout);
  --strangers_;
  if (!frame.ok()) {
    // Names the peer.
    spdlog::warn("log channel: {}", frame.status().message());
    connection->Close();
    co_return;
  }
  if (!frame->header.has_hello()) {
    spdlog::warn("log channel: peer {}: its first message is not Hello",
                 connection->peer());
    connection->Close();
    co_return;
  }
  auto place = sessions_.insert(sessions_.end(),
                                std::make_unique<BackupSession>(
                                    context_, registry_, std::move(connection),
                                    std::move(*frame->header.mutable_hello())));
  co_await (*place)->Run();
  sessions_.erase(place);
}

void LogListener::StopSessions(const std::string& why) {
  for (auto& session : sessions_) session->Stop(why);
}

}  // namespace ft::host
