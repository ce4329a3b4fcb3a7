// SPDX-License-Identifier: GPL-2.0-or-later
//
// RingDoorbell: lets one coroutine wait until the engine moves a position of
// a LogRing, by the doorbell protocol of ring_layout.h.
//
//     RingDoorbell doorbell(io, ring);
//     while (co_await doorbell.WaitUntil(
//         [&] { return ring.committed() > sent; })) { ... send ... }
//
// Used from one thread, that of its io_context.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "logchannel/log_ring.h"

namespace boost::asio {
class io_context;
}

namespace ft::logchannel {

class RingDoorbell {
 public:
  // `ring` must outlive the doorbell (a wait in flight does not touch it
  // after Cancel() or destruction). One doorbell per ring: there is one FIFO.
  RingDoorbell(boost::asio::io_context& io, LogRing& ring);
  ~RingDoorbell();
  RingDoorbell(const RingDoorbell&) = delete;
  RingDoorbell& operator=(const RingDoorbell&) = delete;

  // Completes with true once ready() holds; looks at once, and again
  // whenever the engine rang or somebody called Wake(). With false after
  // Cancel(). One wait at a time (FT_CHECK); `ready` reads positions, fast.
  // When ready at once, it completes without suspending: a loop that never
  // waits elsewhere would starve the thread, so send or yield in it.
  boost::asio::awaitable<bool> WaitUntil(std::function<bool()> ready);

  // ready() may have changed for a reason of ftd's own: look again.
  void Wake();
  // For good: the wait in flight and every later one end with false.
  void Cancel();

 private:
  struct State;
  static boost::asio::awaitable<bool> Wait(std::shared_ptr<State> state,
                                           std::function<bool()> ready);

  const std::shared_ptr<State> state_;  // shared with the wait in flight
};

}  // namespace ft::logchannel
