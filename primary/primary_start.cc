// SPDX-License-Identifier: GPL-2.0-or-later
//
// From nothing until Protect is sent; primary_clone.cc has the middle.
// Everything here may fail without harm: the backup is not entitled yet.
#include <string>
#include <utility>

#include "logchannel/entry_compression.h"
#include "logchannel/frame.h"
#include "primary/primary_impl.h"

namespace ft::primary {

namespace asio = boost::asio;
using logchannel::wire::FrameHeader;

asio::awaitable<Status> PrimaryAgent::Impl::Start() {
  Status status = co_await Measure();
  if (status.ok()) status = co_await Greet();
  if (status.ok()) status = co_await AwaitReplicas();
  if (status.ok()) status = co_await Clone();
  if (status.ok()) status = co_await CatchUp();
  if (status.ok()) status = co_await Protect();
  co_return status;
}

asio::awaitable<Status> PrimaryAgent::Impl::Measure() {
  replay::VmDefinition* vm = &options_.vm;
  Status status;
  if (vm->kernel_sha256.empty()) {
    status = co_await RunIn(blocking_,
                            [vm] { return replay::MeasureBootFiles(*vm); });
  }
  if (!status.ok()) co_return status;
  ReplicaSums* sums = &sums_;
  status = co_await RunIn(blocking_, [vm, sums] {
    auto measured = ReplicaSums::Measure(*vm);
    if (measured.ok()) *sums = std::move(measured).value();
    return measured.status();
  });
  for (const ReplicaSums::Image& image : sums_.images()) {
    replicas_.push_back(
        {.disk = image.disk, .path = image.path, .total = image.bytes});
  }
  co_return status;
}

asio::awaitable<Status> PrimaryAgent::Impl::Greet() {
  // A named object: g++ 12 destroys a braced temporary twice when it is an
  // argument inside co_await.
  logchannel::ConnectOptions to{.address = options_.peer_address,
                                .port = options_.peer_log_port,
                                .timeout = options_.connect_timeout};
  auto connected = co_await logchannel::Connect(std::move(to));
  if (!connected.ok()) {
    co_return Status::Unavailable(
        options_.peer + ": " + connected.status().message(),
        "check that ftd runs on " + options_.peer +
            " and that its log port can be reached");
  }
  connection_ = *connected;

  Status sent = co_await SendHello();
  if (!sent.ok()) co_return sent;
  auto answer = co_await connection_->Receive(options_.hello_timeout);
  if (!answer.ok()) {
    co_return Status::Unavailable(
        options_.peer + " did not answer: " + answer.status().message(),
        "look at ftd's log on " + options_.peer);
  }
  Status accepted = CheckReply(answer->header);
  if (!accepted.ok()) co_return accepted;
  BeginTraffic(answer->header.hello_reply());
  co_return Trouble();
}

asio::awaitable<Status> PrimaryAgent::Impl::SendHello() {
  FrameHeader header = Frame();
  logchannel::wire::Hello& hello = *header.mutable_hello();
  hello.set_version(logchannel::kLogChannelVersion);
  hello.set_epoch(options_.epoch);
  hello.set_host(options_.host);
  hello.set_engine_build(engine_.ring().engine_build());
  *hello.mutable_vm() = replay::ToWire(options_.vm);
  sums_.AddSizes(hello.mutable_vm());
  hello.set_heartbeat_port(options_.own_heartbeat_port);
  if (options_.compression) hello.add_compression(logchannel::kZstd);
  co_return co_await connection_->Send(header);
}

Status PrimaryAgent::Impl::CheckReply(const FrameHeader& header) const {
  if (header.message_case() != FrameHeader::kHelloReply ||
      header.epoch() != options_.epoch) {
    return Status::Invalid(connection_->peer() +
                           " did not answer Hello as a backup does");
  }
  const auto& reply = header.hello_reply();
  if (!reply.accepted()) {
    return Status::Unavailable(
        options_.peer + " refused " + vm() + ": " + reply.error(),
        reply.remedy());
  }
  if (reply.host() != options_.peer) {
    return Status::Invalid(
        connection_->peer() + " is " + reply.host() + ", not " + options_.peer,
        "correct [hosts] in ftd's configuration");
  }
  const bool known =
      reply.compression().empty() ||
      (options_.compression && reply.compression() == logchannel::kZstd);
  if (!known) {
    return Status::Invalid(options_.peer + " chose compression \"" +
                           reply.compression() + "\", which was not offered");
  }
  for (const uint32_t port : {reply.clone_port(), reply.heartbeat_port()}) {
    if (port <= UINT16_MAX) continue;
    return Status::Invalid(options_.peer + " names a port " +
                           std::to_string(port));
  }
  return Status::Ok();
}

void PrimaryAgent::Impl::BeginTraffic(
    const logchannel::wire::HelloReply& reply) {
  fencing::FailureDetectorOptions detector = options_.detector;
  detector.silence_at_first = fencing::kSilenceWhileStarting;
  contest_ = std::make_unique<Contest>(
      store_, tasks_,
      ContestOptions{
          .role = fencing::Role::kPrimary,
          .vm = vm(),
          .host = options_.host,
          .epoch = options_.epoch,
          .detector = detector,
          .uplink_up = options_.uplink_up,
          .own_vm_gone = [this] { return gone(); },
          .report = [this](const std::string& what) { Report(what); }});
  clone_port_ = static_cast<uint16_t>(reply.clone_port());
  compressed_ = !reply.compression().empty();
  peer_heartbeat_port_ = static_cast<uint16_t>(reply.heartbeat_port());
  heartbeats_.Subscribe(
      vm(),
      [this](const logchannel::wire::Heartbeat& heartbeat,
             const std::string& sender) { OnHeartbeat(heartbeat, sender); });
  tasks_.Spawn(ReadLoop());
}

asio::awaitable<Status> PrimaryAgent::Impl::CatchUp() {
  SetState(State::kStarting, options_.peer + " catches up");
  auto caught_up = [this] {
    const auto lag = static_cast<int64_t>(lag_.current_ms(Now()));
    return protection_.CaughtUp(engine_.ring().committed(),
                                std::chrono::milliseconds(lag), Now());
  };
  const bool in_time = co_await tasks_.WaitUntil(
      [this, caught_up] { return !Trouble().ok() || caught_up(); },
      Now() + options_.catch_up_timeout);
  Status trouble = Trouble();
  if (!trouble.ok()) co_return trouble;
  if (in_time) co_return trouble;
  co_return Status::Unavailable(
      options_.peer + " did not catch up within " +
          std::to_string(options_.catch_up_timeout.count() / 1000) + " s",
      "use a backup host that is as fast as this one, and less loaded");
}

asio::awaitable<Status> PrimaryAgent::Impl::Protect() {
  // The engine's own beginning is no lease at all.
  WriteLease();
  auto position = co_await engine_.Protect();
  if (!position.ok()) co_return position.status();
  Status trouble = Trouble();
  if (!trouble.ok()) co_return trouble;
  FrameHeader header = Frame();
  header.mutable_protect()->set_position(*position);
  // From here on the backup may be entitled, whether the send succeeds or
  // not: Watch() meets the loss, if it is one.
  protection_.OnProtect(*position);
  contest_->detector().Engage();
  (void)co_await connection_->Send(header);
  co_return Status::Ok();
}

Status PrimaryAgent::Impl::Trouble() {
  const std::string& peer = options_.peer;
  if (gone_) return Status::Failed(vm() + ": " + *gone_);
  if (disable_) return Status::Failed(*disable_);
  if (damage_) return *damage_;
  if (peer_bye_) {
    return Status::Unavailable(peer + " gave up: " + *peer_bye_,
                               "look at `ftctl events` on " + peer);
  }
  if (lost_) {
    return Status::Unavailable("lost " + peer + ": " + lost_->message(),
                               "look at `ftctl events` on " + peer);
  }
  const auto suspicion = contest_->detector().Tick(Now());
  if (suspicion) {
    return Status::Unavailable(
        "lost " + peer + ": " + fencing::ToString(*suspicion),
        "check the network between the hosts");
  }
  return Status::Ok();
}

}  // namespace ft::primary
