// SPDX-License-Identifier: GPL-2.0-or-later
//
// HeartbeatPort: the UDP socket through which one ftd sends and receives the
// heartbeats of all its VMs. Agents subscribe to the name of their VM.
// Datagrams that are no heartbeats, and heartbeats for nobody, are counted
// and dropped: a stranger's bytes have no other effect.
//
// Used from one thread, that of its io_context.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "logchannel/heartbeat.h"
#include "logchannel/listener.h"
#include "logchannel/status.h"

namespace ft::logchannel {

class HeartbeatPort {
 public:
  // The sender's address is numeric; compare it with the peer that you
  // expect. Freshness is the subscriber's business (HeartbeatOrder).
  using Callback = std::function<void(const wire::Heartbeat& heartbeat,
                                      const std::string& sender_address)>;

  // Bound and receiving from now on.
  static Result<std::unique_ptr<HeartbeatPort>> Open(
      boost::asio::io_context& io, const ListenOptions& options);
  ~HeartbeatPort();
  HeartbeatPort(const HeartbeatPort&) = delete;
  HeartbeatPort& operator=(const HeartbeatPort&) = delete;

  uint16_t port() const;

  // Hands one datagram to the kernel at once; never waits. A Status that is
  // not ok (no route, link down, full buffer) is worth one log line at most:
  // the next beat tries again.
  Status SendTo(const std::string& address, uint16_t port,
                const wire::Heartbeat& heartbeat);

  // `callback` gets every valid heartbeat that names `vm`. One subscriber
  // per VM (FT_CHECK). A callback may unsubscribe, itself included.
  void Subscribe(const std::string& vm, Callback callback);
  void Unsubscribe(const std::string& vm);

  // Since opening; monotonic.
  uint64_t refused_datagrams() const;     // not a heartbeat of this version
  uint64_t unclaimed_heartbeats() const;  // valid, no subscriber

 private:
  struct State;
  explicit HeartbeatPort(std::shared_ptr<State> state);

  std::shared_ptr<State> state_;  // shared with the receive in flight
};

}  // namespace ft::logchannel
