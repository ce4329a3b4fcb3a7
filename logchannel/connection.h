// SPDX-License-Identifier: GPL-2.0-or-later
//
// Connection: one end of a log channel. Frames out, frames in, over a
// ByteStream (TCP today; TLS will be another ByteStream, nothing here
// changes).
//
//     auto connected = co_await Connect({.address = "10.0.0.2",
//                                        .port = 7600,
//                                        .timeout = 2s});
//     if (!connected.ok()) co_return connected.status();
//     auto connection = *connected;
//     connection->OnLoss([&](const Status& why) { ... suspect ... });
//     if (auto sent = co_await connection->Send(hello); !sent.ok()) ...
//     auto reply = co_await connection->Receive(2s);
//
// How it ends. The first Send or Receive that meets a dead or misbehaving
// peer latches one Status, closes the stream and calls OnLoss's callback,
// once; every later Send and Receive returns that same Status. Close() by
// this side ends everything with "closed by this host" and no callback.
// What was received and not yet asked for is dropped at the end: none of it
// was acknowledged, so nothing depends on it.
//
// End a wait by Close(), not by Asio's cancellation: a frame half written or
// half read cannot be resumed, so a cancelled call loses the connection.
//
// Used from one thread, that of its io_context. Shared ownership, because a
// coroutine suspended in Send or Receive must keep the connection alive: both
// hold a reference to it while they run.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "logchannel/byte_stream.h"
#include "logchannel/frame.h"
#include "logchannel/status.h"

namespace ft::logchannel {

// Sends that may wait behind the one on the wire. A healthy pair has two or
// three (the pump, a control message); 64 means that somebody sends without
// waiting for the result, and that Send is refused.
inline constexpr size_t kSendQueueMax = 64;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `stream` is connected (and past its handshake).
  static std::shared_ptr<Connection> Over(std::unique_ptr<ByteStream> stream);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // "10.0.0.2:7600", for messages.
  const std::string& peer() const { return peer_; }
  // "10.0.0.2", for where to send heartbeats.
  const std::string& peer_address() const { return peer_address_; }
  bool open() const { return end_.ok(); }

  // Sends one frame by one writev and completes when the kernel has all of
  // it. Sends that overlap queue up, first come first served. The header is
  // encoded at the call; `payload` must stay valid until completion, it is
  // not copied. Over kSendQueueMax: Unavailable, nothing sent, connection
  // unharmed.
  boost::asio::awaitable<Status> Send(const wire::FrameHeader& header,
                                      std::span<const std::byte> payload = {});

  // The next frame. One Receive at a time (FT_CHECK). With a timeout: no
  // complete frame by then is a loss of the connection.
  boost::asio::awaitable<Result<Frame>> Receive(
      std::optional<std::chrono::milliseconds> timeout = std::nullopt);

  // Ends the connection from this side; suspended calls complete soon.
  // Does nothing on a connection that has ended. No callback.
  void Close();

  // `callback` is called once, from inside the Send or Receive that met the
  // loss, before it completes. Replaces an earlier callback; empty for none.
  // Not called if the loss happened before: look at open().
  void OnLoss(std::function<void(const Status&)> callback);

  // Frame bytes so far, prefix and header included; monotonic.
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }

 private:
  struct Waiter;
  class SendTurn;
  class ReceiveTurn;

  explicit Connection(std::unique_ptr<ByteStream> stream);
  boost::asio::awaitable<Status> SendEncoded(
      std::shared_ptr<Connection> self, std::string head,
      std::span<const std::byte> payload);
  // False if Asio cancelled the wait before the turn came.
  boost::asio::awaitable<bool> AwaitTurn();
  boost::asio::awaitable<Result<Frame>> ReceiveWithin(
      std::shared_ptr<Connection> self,
      std::optional<std::chrono::milliseconds> timeout);
  boost::asio::awaitable<Result<Frame>> ReceiveFrame();
  // Latches the end; returns the status that was latched first.
  Status Lose(Status why);

  const std::unique_ptr<ByteStream> stream_;
  const std::string peer_;
  const std::string peer_address_;
  FrameDecoder decoder_;
  bool receiving_ = false;          // a ReceiveTurn exists
  bool sending_ = false;            // somebody has the turn to write
  std::deque<Waiter*> send_queue_;  // the others, first come first
  std::function<void(const Status&)> on_loss_;  // empty once called
  Status end_;  // not ok: the connection has ended, and why
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
};

struct ConnectOptions {
  // A numeric address. Names are refused: a failover must not wait for DNS.
  std::string address;
  uint16_t port = 0;
  std::chrono::milliseconds timeout{2000};
};

// Connects over TCP. Unavailable names the peer and the reason.
boost::asio::awaitable<Result<std::shared_ptr<Connection>>> Connect(
    ConnectOptions options);

}  // namespace ft::logchannel
