// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/connection.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "logchannel/check.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

// A Send that waits for its turn; lives in that Send's coroutine.
struct Connection::Waiter {
  asio::steady_timer woken;  // cancelled when the turn has come
  bool has_turn = false;
};

// The right to write, held by one Send at a time. Gives it to the next in
// the queue when it goes.
class Connection::SendTurn {
 public:
  explicit SendTurn(Connection& connection) : connection_(connection) {
    connection_.sending_ = true;
  }
  SendTurn(const SendTurn&) = delete;
  SendTurn& operator=(const SendTurn&) = delete;
  ~SendTurn() {
    auto& queue = connection_.send_queue_;
    connection_.sending_ = !queue.empty();
    if (queue.empty()) return;
    Waiter* next = queue.front();
    queue.pop_front();
    next->has_turn = true;
    next->woken.cancel();
  }

 private:
  Connection& connection_;
};

class Connection::ReceiveTurn {
 public:
  explicit ReceiveTurn(Connection& connection) : connection_(connection) {
    FT_CHECK(!connection_.receiving_) << connection_.peer();
    connection_.receiving_ = true;
  }
  ReceiveTurn(const ReceiveTurn&) = delete;
  ReceiveTurn& operator=(const ReceiveTurn&) = delete;
  ~ReceiveTurn() { connection_.receiving_ = false; }

 private:
  Connection& connection_;
};

std::shared_ptr<Connection> Connection::Over(
    std::unique_ptr<ByteStream> stream) {
  return std::shared_ptr<Connection>(new Connection(std::move(stream)));
}

Connection::Connection(std::unique_ptr<ByteStream> stream)
    : stream_(std::move(stream)),
      peer_(stream_->peer()),
      peer_address_(stream_->peer_address()) {}

Connection::~Connection() = default;

asio::awaitable<Status> Connection::Send(const wire::FrameHeader& header,
                                         std::span<const std::byte> payload) {
  return SendEncoded(shared_from_this(), EncodeFrameHead(header, payload),
                     payload);
}

asio::awaitable<Status> Connection::SendEncoded(
    [[maybe_unused]] std::shared_ptr<Connection> self, std::string head,
    std::span<const std::byte> payload) {
  if (!end_.ok()) co_return end_;
  if (sending_) {
    if (send_queue_.size() >= kSendQueueMax) {
      co_return Status::Unavailable(std::to_string(send_queue_.size()) +
                                    " sends wait for peer " + peer_);
    }
    if (!co_await AwaitTurn()) {
      co_return Lose(
          Status::Unavailable("send to peer " + peer_ + " was cancelled"));
    }
  }
  SendTurn turn(*this);
  if (!end_.ok()) co_return end_;
  const std::array<asio::const_buffer, 2> buffers = {
      asio::buffer(head), asio::buffer(payload.data(), payload.size())};
  Status written = co_await stream_->Write(buffers);
  if (!written.ok()) co_return Lose(std::move(written));
  bytes_sent_ += head.size() + payload.size();
  co_return Status::Ok();
}

asio::awaitable<bool> Connection::AwaitTurn() {
  Waiter waiter{asio::steady_timer(co_await asio::this_coro::executor,
                                   asio::steady_timer::time_point::max())};
  send_queue_.push_back(&waiter);
  co_await waiter.woken.async_wait(kAwait);
  if (!waiter.has_turn) std::erase(send_queue_, &waiter);
  co_return waiter.has_turn;
}

asio::awaitable<Result<Frame>> Connection::Receive(
    std::optional<std::chrono::milliseconds> timeout) {
  return ReceiveWithin(shared_from_this(), timeout);
}

asio::awaitable<Result<Frame>> Connection::ReceiveWithin(
    std::shared_ptr<Connection> self,
    std::optional<std::chrono::milliseconds> timeout) {
  ReceiveTurn turn(*this);
  if (!timeout) co_return co_await ReceiveFrame();

  asio::steady_timer timer(co_await asio::this_coro::executor, *timeout);
  // Expiry and frame may come in the same turn of the loop: the frame wins.
  auto waiting = std::make_shared<bool>(true);
  timer.async_wait([self, waiting, timeout = *timeout](auto error) {
    if (error || !*waiting) return;
    (void)self->Lose(
        Status::Unavailable("peer " + self->peer_ + " sent no message within " +
                            std::to_string(timeout.count()) + " ms"));
  });
  auto frame = co_await ReceiveFrame();
  *waiting = false;
  co_return frame;
}

asio::awaitable<Result<Frame>> Connection::ReceiveFrame() {
  for (;;) {
    if (!end_.ok()) co_return end_;
    auto frame = decoder_.Next();
    if (!frame.ok()) {
      co_return Lose(
          Status::Invalid("peer " + peer_ + ": " + frame.status().message()));
    }
    if (frame->has_value()) co_return std::move(**frame);
    auto received = co_await stream_->Read(decoder_.Space());
    if (!received.ok()) co_return Lose(received.status());
    decoder_.Filled(*received);
    bytes_received_ += *received;
  }
}

Status Connection::Lose(Status why) {
  if (!end_.ok()) return end_;
  end_ = std::move(why);
  stream_->Close();
  if (auto callback = std::exchange(on_loss_, nullptr)) callback(end_);
  return end_;
}

void Connection::Close() {
  on_loss_ = nullptr;
  (void)Lose(Status::Unavailable("connection to peer " + peer_ +
                                 " was closed by this host"));
}

void Connection::OnLoss(std::function<void(const Status&)> callback) {
  if (open()) on_loss_ = std::move(callback);
}

}  // namespace ft::logchannel
