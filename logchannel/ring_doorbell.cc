// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/ring_doorbell.h"

#include <fcntl.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "logchannel/check.h"

namespace ft::logchannel {

namespace asio = boost::asio;

struct RingDoorbell::State {
  // Asio closes what it is given; the ring keeps its own descriptor.
  State(asio::io_context& io, LogRing& ring)
      : ring(ring), fifo(io, fcntl(ring.doorbell_fd(), F_DUPFD_CLOEXEC, 0)) {}

  LogRing& ring;
  asio::posix::stream_descriptor fifo;
  bool waiting = false;
  bool cancelled = false;
};

namespace {

// Marks a wait in flight, however it ends.
class Waiting {
 public:
  explicit Waiting(bool& flag) : flag_(flag) {
    FT_CHECK(!flag_) << "second wait on one doorbell";
    flag_ = true;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { flag_ = false; }

 private:
  bool& flag_;
};

}  // namespace

RingDoorbell::RingDoorbell(asio::io_context& io, LogRing& ring)
    : state_(std::make_shared<State>(io, ring)) {}

RingDoorbell::~RingDoorbell() { Cancel(); }

asio::awaitable<bool> RingDoorbell::WaitUntil(std::function<bool()> ready) {
  return Wait(state_, std::move(ready));
}

asio::awaitable<bool> RingDoorbell::Wait(std::shared_ptr<State> state,
                                         std::function<bool()> ready) {
  Waiting waiting(state->waiting);
  while (!state->cancelled) {
    if (ready()) co_return true;
    state->ring.PrepareToSleep();
    if (ready()) {
      state->ring.CancelSleep();
      co_return true;
    }
    // Ends by the engine's byte, or by Wake() or Cancel(). A read, where
    // async_wait() and a read of its own would be two more system calls for
    // each call of the engine's: epoll_ctl() and one that finds nothing.
    std::array<char, 64> bytes;
    co_await state->fifo.async_read_some(asio::buffer(bytes),
                                         asio::as_tuple(asio::use_awaitable));
    if (!state->cancelled) state->ring.CancelSleep();
  }
  co_return false;
}

void RingDoorbell::Wake() {
  boost::system::error_code ignored;
  state_->fifo.cancel(ignored);
}

void RingDoorbell::Cancel() {
  state_->cancelled = true;
  Wake();
}

}  // namespace ft::logchannel
