// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/log_carrier.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "logchannel/archived_log.h"
#include "logchannel/check.h"

namespace ft::replay {

namespace asio = boost::asio;

LogCarrier::LogCarrier(End primary, End backup, uint64_t position, bool archive)
    : primary_(primary),
      backup_(backup),
      archiving_(archive),
      streaming_(!archive),
      first_(position),
      carried_(position),
      followed_(position),
      fed_(position) {}

asio::awaitable<void> LogCarrier::Carry() {
  std::vector<std::byte> buffer(logchannel::kEntryBytesMax);
  auto& from = primary_.ring;
  while (co_await primary_.bell.WaitUntil([&] {
    return stopping_ || (carrying_ && from.committed() > carried_);
  })) {
    if (stopping_) co_return;
    const Result<size_t> size = from.ReadEntries(carried_, buffer);
    FT_CHECK(size.ok()) << size.status().message();
    const std::span<const std::byte> entries(buffer.data(), *size);
    if (streaming_) {
      if (!co_await ToBackup(carried_, entries)) co_return;
    } else {
      archive_.emplace_back(entries.begin(), entries.end());
    }
    carried_ += *size;
    const Status taken = from.Acknowledge(carried_);
    FT_CHECK(taken.ok()) << taken.message();
    co_await asio::post(asio::use_awaitable);
  }
}

asio::awaitable<bool> LogCarrier::ToBackup(uint64_t position,
                                           std::span<const std::byte> entries) {
  auto& to = backup_.ring;
  while (!stopping_) {
    const Result<bool> fed = to.AppendEntries(position, entries);
    FT_CHECK(fed.ok()) << fed.status().message();
    if (*fed) break;
    asio::steady_timer room(co_await asio::this_coro::executor,
                            asio::steady_timer::time_point::max());
    room_ = &room;
    co_await room.async_wait(asio::as_tuple(asio::use_awaitable));
    room_ = nullptr;
  }
  if (stopping_) co_return false;
  to.SetPeerReleased(primary_.ring.released());
  co_return true;
}

asio::awaitable<void> LogCarrier::Feed(uint64_t until) {
  // It may still grow: a stopped engine commits its last entry a moment later.
  while (fed_ < until && fed_pieces_ < archive_.size()) {
    const auto& piece = archive_[fed_pieces_];
    if (!co_await ToBackup(fed_, piece)) co_return;
    fed_ += piece.size();
    ++fed_pieces_;
    co_await asio::post(asio::use_awaitable);
  }
  if (until == kEverything) streaming_ = true;
}

asio::awaitable<void> LogCarrier::Follow() {
  auto& ring = backup_.ring;
  while (co_await backup_.bell.WaitUntil(
      [&] { return stopping_ || ring.consumed() != followed_; })) {
    if (stopping_) co_return;
    followed_ = ring.consumed();
    primary_.ring.SetReplayed(followed_);
    if (room_ != nullptr) room_->cancel();
    co_await asio::post(asio::use_awaitable);
  }
}

void LogCarrier::SetCarrying(bool on) {
  carrying_ = on;
  primary_.bell.Wake();
}

void LogCarrier::Stop() {
  stopping_ = true;
  if (room_ != nullptr) room_->cancel();
  primary_.bell.Cancel();
  backup_.bell.Cancel();
}

Status LogCarrier::WriteArchive(const std::string& path,
                                const std::string& why) const {
  logchannel::ArchivedLogHead head;
  head.set_engine_build(primary_.ring.engine_build());
  head.set_first(first_);
  head.set_clone(first_);
  head.set_why(why);
  auto log = logchannel::ArchivedLogWriter::Create(path, std::move(head));
  if (!log.ok()) return log.status();
  for (const auto& piece : archive_) {
    if (auto status = (*log)->Append(piece); !status.ok()) return status;
  }
  return (*log)->Finish();
}

}  // namespace ft::replay
