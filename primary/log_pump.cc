// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/log_pump.h"

#include <string>
#include <utility>

#include "fencing/boot_clock.h"

namespace ft::primary {

namespace asio = boost::asio;

LogPump::LogPump(asio::io_context& io, logchannel::LogRing& ring,
                 std::shared_ptr<logchannel::Connection> connection,
                 uint64_t epoch, Protection& protection, LagMeter& lag,
                 fencing::OutputLease& lease)
    : ring_(ring),
      doorbell_(io, ring),
      connection_(std::move(connection)),
      epoch_(epoch),
      protection_(protection),
      lag_(lag),
      lease_(lease),
      frame_(logchannel::kEntryBytesMax) {}

bool LogPump::drained() const {
  return protection_.sent() == ring_.committed();
}

void LogPump::Stop() {
  stopped_ = true;
  doorbell_.Cancel();
}

asio::awaitable<Status> LogPump::Run() {
  while (!stopped_) {
    const bool more =
        co_await doorbell_.WaitUntil([this] { return !drained(); });
    if (!more) break;
    Status sent = co_await SendSome();
    if (!sent.ok()) co_return sent;
  }
  co_return Status::Ok();
}

asio::awaitable<Status> LogPump::SendSome() {
  const LogPosition first = protection_.sent();
  const Result<size_t> read = ring_.ReadEntries(first, frame_);
  const LogPosition released = ring_.released();
  const LogPosition committed = ring_.committed();
  if (!read.ok()) {
    damage_ = read.status();
  } else if (released > committed) {
    damage_ = Status::Invalid(
        "log ring " + ring_.path() + " is damaged: released " +
        std::to_string(released) + ", committed " + std::to_string(committed));
  }
  if (!damage_.ok()) co_return damage_;
  const size_t bytes = *read;
  logchannel::wire::FrameHeader header;
  header.set_epoch(epoch_);
  header.mutable_entries()->set_first(first);
  header.mutable_entries()->set_released(released);
  // Before the send: the acknowledgement may overtake its completion.
  protection_.OnSent(first + bytes);
  lag_.OnSent(first + bytes, bytes, LagMeter::Clock::now());
  lease_.OnSent(first + bytes, fencing::BootNow());
  co_return co_await connection_->Send(header, std::span(frame_).first(bytes));
}

}  // namespace ft::primary
