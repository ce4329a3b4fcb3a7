// SPDX-License-Identifier: GPL-2.0-or-later
//
// HostContext: the parts of one ftd that every VM of it uses. References
// only; Daemon (daemon.h) owns them and outlives everything that holds one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>

#include "host/config.h"
#include "host/event_log.h"
#include "host/state_store.h"

namespace ft::fencing {
class AsyncTestAndSet;
}
namespace ft::logchannel {
class HeartbeatPort;
}

namespace ft::host {

class EngineLauncher;

struct HostContext {
  const Config& config;
  // The one thread of all decisions.
  boost::asio::io_context& io;
  // For blocking calls: hashes of boot files.
  boost::asio::thread_pool& blocking;
  // State files of this host are written here, in the order of the changes.
  boost::asio::strand<boost::asio::thread_pool::executor_type>& save_strand;
  StateStore& store;
  EventLog& events;
  // The records that say who runs which VM; its calls end in time.
  fencing::AsyncTestAndSet& records;
  logchannel::HeartbeatPort& heartbeats;
  EngineLauncher& launcher;
  // False while the uplink has no carrier.
  std::function<bool()> uplink_up;
};

}  // namespace ft::host
