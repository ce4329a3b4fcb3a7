// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/heartbeat_port.h"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <map>
#include <utility>

#include "logchannel/check.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

}  // namespace

struct HeartbeatPort::State : std::enable_shared_from_this<State> {
  explicit State(asio::io_context& io) : socket(io) {}

  void ReceiveNext();
  void Handle(std::span<const std::byte> datagram);

  udp::socket socket;
  // One byte more than the limit, so that an over-long datagram shows.
  std::array<std::byte, kHeartbeatBytesMax + 1> buffer;
  udp::endpoint sender;
  std::map<std::string, Callback> subscribers;
  uint64_t refused = 0;
  uint64_t unclaimed = 0;
};

void HeartbeatPort::State::ReceiveNext() {
  socket.async_receive_from(
      asio::buffer(buffer), sender,
      [self = shared_from_this()](auto error, size_t bytes) {
        if (!self->socket.is_open()) return;
        // An error here is about some earlier datagram; the port is fine.
        if (!error) self->Handle(std::span(self->buffer).first(bytes));
        if (self->socket.is_open()) self->ReceiveNext();
      });
}

void HeartbeatPort::State::Handle(std::span<const std::byte> datagram) {
  const auto heartbeat = DecodeHeartbeat(datagram);
  if (!heartbeat.ok()) {
    ++refused;
    return;
  }
  const auto found = subscribers.find(heartbeat->vm());
  if (found == subscribers.end()) {
    ++unclaimed;
    return;
  }
  const Callback callback = found->second;  // it may unsubscribe itself
  callback(*heartbeat, sender.address().to_string());
}

Result<std::unique_ptr<HeartbeatPort>> HeartbeatPort::Open(
    asio::io_context& io, const ListenOptions& options) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return Status::Invalid("heartbeat address '" + options.address +
                           "' is not an IP address");
  }
  const udp::endpoint local(address, options.port);
  auto state = std::make_shared<State>(io);
  state->socket.open(local.protocol(), error);
  if (!error) state->socket.bind(local, error);
  if (!error) state->socket.non_blocking(true, error);
  if (error) {
    return Status::Unavailable(
        "cannot open heartbeat port " + std::to_string(options.port) + " on " +
            options.address + ": " + error.message(),
        "check `listen` and `heartbeat_port` of this host's configuration");
  }
  state->ReceiveNext();
  return std::unique_ptr<HeartbeatPort>(new HeartbeatPort(std::move(state)));
}

HeartbeatPort::HeartbeatPort(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

HeartbeatPort::~HeartbeatPort() {
  boost::system::error_code ignored;
  state_->socket.close(ignored);
  state_->subscribers.clear();
}

uint16_t HeartbeatPort::port() const {
  return state_->socket.local_endpoint().port();
}

Status HeartbeatPort::SendTo(const std::string& address, uint16_t port,
                             const wire::Heartbeat& heartbeat) {
  boost::system::error_code error;
  const auto numeric = asio::ip::make_address(address, error);
  if (error) {
    return Status::Invalid("heartbeat peer '" + address +
                           "' is not an IP address");
  }
  const std::string datagram = EncodeHeartbeat(heartbeat);
  state_->socket.send_to(asio::buffer(datagram), udp::endpoint(numeric, port),
                         0, error);
  if (!error) return Status::Ok();
  return Status::Unavailable("heartbeat to " + address + ": " +
                             error.message());
}

void HeartbeatPort::Subscribe(const std::string& vm, Callback callback) {
  const bool first =
      state_->subscribers.emplace(vm, std::move(callback)).second;
  FT_CHECK(first) << "second subscriber for the heartbeats of " << vm;
}

void HeartbeatPort::Unsubscribe(const std::string& vm) {
  state_->subscribers.erase(vm);
}

uint64_t HeartbeatPort::refused_datagrams() const { return state_->refused; }

uint64_t HeartbeatPort::unclaimed_heartbeats() const {
  return state_->unclaimed;
}

}  // namespace ft::logchannel
