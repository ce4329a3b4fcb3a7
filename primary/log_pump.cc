// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/log_pump.h"

#include <string>
#include <utility>

#include "fencing/boot_clock.h"
#include "logchannel/crc32c.h"

namespace ft::primary {

namespace asio = boost::asio;

LogPump::LogPump(asio::io_context& io, logchannel::LogRing& ring,
                 std::shared_ptr<logchannel::Connection> connection,
                 uint64_t epoch, Protection& protection, LagMeter& lag,
                 fencing::OutputLease& lease, bool compressed)
    : ring_(ring),
      doorbell_(io, ring),
      connection_(std::move(connection)),
      epoch_(epoch),
      protection_(protection),
      lag_(lag),
      lease_(lease),
      compressor_(compressed ? std::make_unique<logchannel::EntryCompressor>()
                             : nullptr),
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
  std::span<const std::byte> payload = std::span(frame_).first(bytes);
  if (compressor_ && compressor_->Wanted(bytes)) {
    header.mutable_entries()->set_size(static_cast<uint32_t>(bytes));
    header.mutable_entries()->set_crc(logchannel::Crc32c(payload));
    payload = compressor_->Compress(payload);
  }
  // Before the send: the acknowledgement may overtake its completion.
  protection_.OnSent(first + bytes);
  lag_.OnSent(first + bytes, bytes, LagMeter::Clock::now());
  lease_.OnSent(first + bytes, fencing::BootNow());
  const uint64_t before = connection_->bytes_sent();
  Status sent = co_await connection_->Send(header, payload);
  lag_.OnWire(connection_->bytes_sent() - before, LagMeter::Clock::now());
  co_return sent;
}

}  // namespace ft::primary
