// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogListener: the log channel port of this host. Whoever connects is a
// stranger until its first frame is a Hello, within two seconds; then a
// BackupSession serves it to its end. Anything else costs the stranger its
// connection and us one log line that names it.
//
// Single-threaded, the io_context's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <string>

#include "host/backup_session.h"
#include "host/host_context.h"
#include "logchannel/listener.h"
#include "logchannel/status.h"

namespace ft::host {

class VmRegistry;

class LogListener {
 public:
  // A primary says Hello right after connecting: one round trip and the
  // scheduling of a busy host.
  static constexpr std::chrono::seconds kHelloTimeout{2};
  // Strangers that are waited for at once; more are hung up on.
  static constexpr size_t kStrangersMax = 32;

  // References outlive the listener.
  LogListener(const HostContext& context, VmRegistry& registry)
      : context_(context), registry_(registry) {}

  // Binds the port: Unavailable when it is in use.
  Status Open();
  // Accepts until Close().
  boost::asio::awaitable<void> Serve();
  void Close();
  // Ends every session in an orderly way; done when sessions() is 0.
  void StopSessions(const std::string& why);
  size_t sessions() const { return sessions_.size(); }

 private:
  boost::asio::awaitable<void> Greet(
      std::shared_ptr<logchannel::Connection> connection);

  const HostContext& context_;
  VmRegistry& registry_;
  std::unique_ptr<logchannel::Listener> listener_;
  size_t strangers_ = 0;
  std::list<std::unique_ptr<BackupSession>> sessions_;
};

}  // namespace ft::host
