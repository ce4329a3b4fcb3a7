// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the primary sends, and what it is answered. `received` is
// acknowledged at once, for outputs wait for it; `replayed` follows at its
// own pace, for it is only measured.
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "backup/backup_impl.h"

namespace ft::backup {

namespace asio = boost::asio;
using logchannel::wire::FrameHeader;

namespace {

// At most so often is progress of the replay told: 500 small frames a second
// cost nothing noticeable, and the lag is measured to 2 ms.
constexpr std::chrono::milliseconds kReplayedPause{2};
constexpr std::chrono::seconds kFollowTimeout{10};

}  // namespace

// Goes on reading after a farewell, and drops what it reads, so that the
// stream ends in order: by the peer's end of file.
asio::awaitable<void> BackupAgent::Impl::ReadLoop() {
  while (!ending_) {
    auto frame = co_await connection_->Receive();
    if (!frame.ok()) {
      if (frame.status().code() == Code::kInvalid) {
        Report("closed the log channel: " + frame.status().message());
      }
      Lose(frame.status());
      co_return;
    }
    if (!may_take() || damage_) continue;
    const Status accepted = co_await OnFrame(*frame);
    if (!accepted.ok()) {
      Report("closed the log channel: " + accepted.message());
      connection_->Close();
      Lose(accepted);
      co_return;
    }
  }
}

void BackupAgent::Impl::Lose(const Status& why) {
  if (!lost_) lost_ = why;
  contest_->detector().OnConnectionReset(Now());
  tasks_.Notify();
}

// The connection is not to blame, and its loss would be a reason to contend:
// the script says Bye instead.
void BackupAgent::Impl::NoteDamage(const Status& found) {
  if (found.ok() || damage_) return;
  damage_ = found;
  tasks_.Notify();
}

asio::awaitable<Status> BackupAgent::Impl::OnFrame(
    const logchannel::Frame& frame) {
  const FrameHeader& header = frame.header;
  if (header.epoch() != hello_.epoch()) {
    co_return Status::Invalid(primary() + " sent a frame of epoch " +
                              std::to_string(header.epoch()) + ", this is " +
                              std::to_string(hello_.epoch()));
  }
  contest_->detector().OnLogTraffic(Now());
  Status status;
  switch (header.message_case()) {
    case FrameHeader::kEntries:
      co_return co_await OnEntries(header.entries(), frame.payload);
    case FrameHeader::kReplicaProgress:
      co_return OnReplicaProgress(header.replica_progress());
    case FrameHeader::kCloneDone:
      co_return co_await OnCloneDone(header.clone_done().position());
    case FrameHeader::kProtect:
      status = entitlement_.OnProtect(header.protect().position());
      // The primary waits for this word.
      if (status.ok()) (void)co_await Acknowledge();
      break;
    case FrameHeader::kVmGone:
      status = entitlement_.CheckFinal(header.vm_gone().final_position());
      if (!status.ok()) break;
      vm_gone_ = header.vm_gone().reason();
      contest_->detector().OnPeerVmGone(Now());
      break;
    case FrameHeader::kHandover:
      status = entitlement_.CheckFinal(header.handover().final_position());
      if (status.ok()) handover_asked_ = Now();
      break;
    case FrameHeader::kBye:
      bye_ = header.bye().reason();
      break;
    default:
      co_return Status::Invalid(primary() +
                                " sent a message that no primary sends");
  }
  tasks_.Notify();
  co_return status;
}

// The engine says FT_FOLLOW when it has loaded the clone, a moment before or
// after the primary's word.
asio::awaitable<Status> BackupAgent::Impl::OnCloneDone(LogPosition position) {
  Status accepted = entitlement_.OnCloneDone(position);
  if (!accepted.ok()) co_return accepted;
  co_await tasks_.WaitUntil(
      [this] {
        return entitlement_.following() || broken_ || gone_ || ending_;
      },
      Now() + kFollowTimeout);
  if (!entitlement_.following()) {
    co_return Status::Invalid("the engine here did not follow the clone");
  }
  const logchannel::LogRing& ring = engine_->ring();
  if (ring.direction() != logchannel::Direction::kReplay ||
      ring.committed() != position) {
    co_return Status::Invalid(
        "the ring here stands at " + std::to_string(ring.committed()) +
        " after a clone that ended at " + std::to_string(position));
  }
  Report("following from " + std::to_string(position));
  told_replayed_ = position;
  clone_ = position;
  boundaries_.Add(position);
  doorbell_ = std::make_unique<logchannel::RingDoorbell>(io_, engine_->ring());
  tasks_.Spawn(AckLoop());
  co_return Status::Ok();
}

// The entries of a frame, valid until the next one.
Result<std::span<const std::byte>> BackupAgent::Impl::Decompress(
    const logchannel::wire::Entries& entries,
    std::span<const std::byte> payload) {
  if (entries.size() == 0) return payload;
  if (!decompressor_) {
    return Status::Invalid(primary() +
                           " sent compressed log, which was not agreed on");
  }
  return decompressor_->Decompress(payload, entries.size(), entries.crc());
}

asio::awaitable<Status> BackupAgent::Impl::OnEntries(
    const logchannel::wire::Entries& entries,
    std::span<const std::byte> payload) {
  const auto whole = Decompress(entries, payload);
  if (!whole.ok()) co_return whole.status();
  const std::span<const std::byte> bytes = *whole;
  Status valid = entitlement_.CheckEntries(entries.first());
  if (valid.ok()) valid = logchannel::ValidateEntries(bytes, entries.first());
  if (!valid.ok()) co_return valid;
  logchannel::LogRing& ring = engine_->ring();
  for (;;) {
    const Result<bool> appended = ring.AppendEntries(entries.first(), bytes);
    NoteDamage(appended.status());
    if (!appended.ok()) co_return Status::Ok();
    if (*appended) break;
    // The backup replays too slowly: leave the rest to TCP. The acknowledger
    // notifies when the engine has made room.
    co_await tasks_.WaitUntil(
        [this, &ring, &bytes] {
          return ending_ || !may_take() || damage_ ||
                 ring.free_bytes() >= bytes.size();
        },
        Now() + options_.detector.interval);
    if (ending_ || !may_take() || damage_) co_return Status::Ok();
  }
  entitlement_.OnAppended(entries.first() + bytes.size());
  boundaries_.Add(entries.first() + bytes.size());
  lease_.Grant(Now());
  log_bytes_ += bytes.size();
  if (entries.released() > peer_released_) {
    peer_released_ = entries.released();
    ring.SetPeerReleased(peer_released_);
  }
  if (state_ == State::kStarting && entitlement_.entitled()) tasks_.Notify();
  (void)co_await Acknowledge();
  co_return Status::Ok();
}

// A failed send is the reader's to meet: it sees the same end.
asio::awaitable<Status> BackupAgent::Impl::Acknowledge() {
  const logchannel::LogRing& ring = engine_->ring();
  const Status replayed = entitlement_.OnReplayed(ring.consumed());
  if (!replayed.ok()) {
    NoteDamage(Status::Invalid("log ring " + ring.path() +
                               " is damaged: " + replayed.message()));
    co_return replayed;
  }
  told_replayed_ = entitlement_.replayed();
  FrameHeader header = Frame();
  header.mutable_ack()->set_received(entitlement_.received());
  header.mutable_ack()->set_replayed(told_replayed_);
  header.mutable_ack()->set_entitled(entitlement_.entitled());
  co_return co_await connection_->Send(header);
}

asio::awaitable<void> BackupAgent::Impl::AckLoop() {
  for (;;) {
    const bool moved = co_await doorbell_->WaitUntil([this] {
      return !may_take() || engine_->ring().consumed() != told_replayed_;
    });
    if (!moved || ending_ || !may_take()) co_return;
    tasks_.Notify();
    const Status sent = co_await Acknowledge();
    if (!sent.ok() || ending_) co_return;
    pause_timer_.expires_after(kReplayedPause);
    boost::system::error_code cancelled;
    co_await pause_timer_.async_wait(
        asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

}  // namespace ft::backup
