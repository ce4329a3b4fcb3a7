// SPDX-License-Identifier: GPL-2.0-or-later
//
// What this host's replicas are, before the clone: read by a pool's thread,
// half a second at a time, so that nobody else who needs the pool waits long,
// and sent as they are read. Nobody writes them meanwhile: the primary begins
// the clone when it has all checksums.
#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "backup/backup_impl.h"
#include "replay/replica_checksums.h"

namespace ft::backup {

namespace asio = boost::asio;
using logchannel::wire::FrameHeader;
using primary::ReplicaState;

namespace {

// A GiB in one message of 32 KiB, half of what a frame's header may have.
constexpr size_t kChecksumsPerMessage = 1024;
constexpr std::chrono::milliseconds kReadingTurn{500};

}  // namespace

asio::awaitable<void> BackupAgent::Impl::SendChecksums() {
  for (const Replica& replica : replicas_) {
    const Status sent = co_await SendChecksumsOf(replica);
    if (stop_reading_ || lost_) co_return;
    if (sent.ok()) continue;
    // No replica, so no backup: the script says Bye.
    if (!broken_) broken_ = sent;
    tasks_.Notify();
    co_return;
  }
}

asio::awaitable<Status> BackupAgent::Impl::SendChecksumsOf(
    const Replica& replica) {
  std::optional<replay::ReplicaReader> reader;
  Status status = co_await primary::RunIn(blocking_, [&reader, &replica] {
    auto opened =
        replay::ReplicaReader::Open(replica.image.path, replica.bytes);
    if (opened.ok()) reader.emplace(std::move(opened).value());
    return opened.status();
  });
  while (status.ok() && !reader->at_end() && !stop_reading_) {
    FrameHeader header = Frame();
    logchannel::wire::ReplicaChecksums& message =
        *header.mutable_replica_checksums();
    message.set_disk(replica.disk);
    message.set_first_chunk(reader->next_chunk());
    std::string* checksums = message.mutable_checksums();
    status = co_await primary::RunIn(blocking_, [this, &reader, checksums] {
      auto read = reader->Next(kChecksumsPerMessage, Now() + kReadingTurn,
                               stop_reading_);
      if (read.ok()) *checksums = std::move(read).value();
      return read.status();
    });
    if (!status.ok() || checksums->empty()) break;
    status = co_await connection_->Send(header);
    NoteReplica(
        {.disk = replica.disk, .done = reader->done(), .total = replica.bytes});
  }
  co_return status;
}

void BackupAgent::Impl::NoteReplica(const ReplicaState& now) {
  for (ReplicaState& state : progress_) {
    if (state.disk != now.disk) continue;
    state.stage = now.stage;
    state.done = now.done;
    state.total = now.total;
    state.sent = now.sent;
    listener_.OnCloneProgress(Describe(state));
  }
  clone_deadline_ = Now() + options_.clone_timeout;
}

// As the primary's engine counts: it rounds a disk's size up to a sector.
Status BackupAgent::Impl::OnReplicaProgress(
    const logchannel::wire::ReplicaProgress& message) {
  const bool known = std::any_of(
      replicas_.begin(), replicas_.end(),
      [&](const Replica& one) { return one.disk == message.disk(); });
  if (!known || message.done() > message.total()) {
    return Status::Invalid(
        primary() + " tells of " + std::to_string(message.done()) + " of " +
        std::to_string(message.total()) + " bytes of replica " +
        std::to_string(message.disk()));
  }
  NoteReplica({.disk = message.disk(),
               .stage = ReplicaState::Stage::kCopying,
               .done = message.done(),
               .total = message.total(),
               .sent = message.sent()});
  return Status::Ok();
}

}  // namespace ft::backup
