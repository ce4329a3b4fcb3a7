// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clone. With private disks the backup's replicas are a part of it:
//
//     the backup reads them -> checksums -> run_dir/VM.replicas/d<i>.sha256
//     x-ft-clone: what is not equal is sent, then RAM and devices as ever
//
// A replica may take hours and is no reason to give up while it gets further;
// a lost peer or an operator who thinks better of it are, at once.
#include <chrono>
#include <string>
#include <utility>

#include "primary/primary_impl.h"

namespace ft::primary {

namespace asio = boost::asio;
using logchannel::wire::FrameHeader;

namespace {

// How often progress is told.
constexpr std::chrono::seconds kTellPause{1};

double Milliseconds(uint64_t us) { return static_cast<double>(us) / 1000; }

}  // namespace

ReplicaState* PrimaryAgent::Impl::StateOf(uint32_t disk) {
  for (ReplicaState& state : replicas_) {
    if (state.disk == disk) return &state;
  }
  return nullptr;
}

// --- What the backup's replicas are.

Status PrimaryAgent::Impl::OnChecksums(
    const logchannel::wire::ReplicaChecksums& message) {
  Status accepted = sums_.OnChecksums(message);
  if (!accepted.ok()) {
    return Status::Invalid(options_.peer + " sent " + accepted.message());
  }
  ReplicaState* state = StateOf(message.disk());
  const bool read = sums_.complete() || sums_.current().disk != message.disk();
  state->done = read ? state->total : sums_.current_bytes();
  moved_ = state;
  tasks_.Notify();
  return accepted;
}

asio::awaitable<Status> PrimaryAgent::Impl::AwaitReplicas() {
  for (const ReplicaState& state : replicas_) {
    Report(options_.peer + " reads its replica of " + state.path + ", " +
           FormatBytes(state.total));
  }
  while (!sums_.complete()) {
    const uint64_t before = sums_.received();
    co_await tasks_.WaitUntil(
        [this, before] { return !Trouble().ok() || sums_.received() > before; },
        Now() + options_.replica_timeout);
    Status trouble = Trouble();
    if (!trouble.ok()) co_return trouble;
    if (sums_.received() == before) {
      co_return Status::Unavailable(
          options_.peer + " has read nothing of its replica of " +
              sums_.current().path + " for " +
              std::to_string(options_.replica_timeout.count() / 1000) + " s",
          "look at that disk on " + options_.peer);
    }
    co_await TellReplicas(false);
  }
  co_return Status::Ok();
}

// --- What is copied.

void PrimaryAgent::Impl::OnReplicaProgress(
    const replay::ReplicaProgress& progress) {
  for (ReplicaState& state : replicas_) {
    if (progress.node != "d" + std::to_string(state.disk)) continue;
    state.stage = ReplicaState::Stage::kCopying;
    state.done = progress.done;
    state.total = progress.total;
    state.sent = progress.sent;
    moved_ = &state;
  }
  tasks_.Notify();
}

// To whoever waits, here and at the backup.
asio::awaitable<void> PrimaryAgent::Impl::TellReplicas(bool always) {
  if (moved_ == nullptr || (!always && Now() - told_ < kTellPause)) co_return;
  const ReplicaState state = *std::exchange(moved_, nullptr);
  told_ = Now();
  listener_.OnCloneProgress(state.stage == ReplicaState::Stage::kReading
                                ? options_.peer + " reads its " +
                                      Describe(state)
                                : Describe(state));
  if (state.stage == ReplicaState::Stage::kReading) co_return;
  FrameHeader header = Frame();
  logchannel::wire::ReplicaProgress& message =
      *header.mutable_replica_progress();
  message.set_disk(state.disk);
  message.set_done(state.done);
  message.set_total(state.total);
  message.set_sent(state.sent);
  // A failed send is the reader's to meet: it sees the same end.
  (void)co_await connection_->Send(header);
}

asio::awaitable<void> PrimaryAgent::Impl::RunClone(std::string replicas) {
  replay::CloneOptions options{.replicas = std::move(replicas),
                               .replica_rate = options_.replica_rate};
  clone_ = co_await engine_.Clone(options_.peer_address, clone_port_,
                                  options_.clone_timeout, std::move(options));
}

// Until the clone has ended, one way or the other.
asio::awaitable<Status> PrimaryAgent::Impl::Copy() {
  // The engine may read them for as long as it clones.
  std::optional<ScratchDirectory> scratch;
  if (!sums_.empty()) {
    scratch.emplace(options_.run_dir + "/" + vm() + ".replicas");
    const ScratchDirectory* directory = &*scratch;
    const ReplicaSums* sums = &sums_;
    Status written = co_await RunIn(blocking_, [directory, sums] {
      return sums->Write(directory->path());
    });
    if (!written.ok()) co_return written;
  }
  tasks_.Spawn(RunClone(scratch ? scratch->path() : ""));
  bool cancelled = false;
  while (!clone_) {
    co_await tasks_.WaitUntil(
        [this, cancelled] { return clone_ || (!cancelled && !Trouble().ok()); },
        Now() + kTellPause);
    if (!clone_ && !cancelled && !Trouble().ok()) {
      cancelled = true;
      (void)co_await engine_.CancelClone();
    }
    co_await TellReplicas(false);
  }
  co_await TellReplicas(true);
  co_return clone_->status();
}

asio::awaitable<Status> PrimaryAgent::Impl::Clone() {
  SetState(State::kStarting, "cloning to " + options_.peer);
  Status copied = co_await Copy();
  if (!copied.ok()) {
    Status trouble = Trouble();
    if (!trouble.ok()) co_return trouble;
    co_return Status::Unavailable(
        "the clone to " + options_.peer + " failed: " + copied.message(),
        "look at `ftctl events` on both hosts");
  }
  const replay::CloneResult& clone = **clone_;
  protection_.OnClone(clone.position);
  clone_pause_ms_ = Milliseconds(clone.pause_us);
  clone_total_ms_ = Milliseconds(clone.total_us);
  progress_.Begin(Now());
  for (const ReplicaState& state : replicas_) Report(Describe(state));
  Status trouble = Trouble();
  if (!trouble.ok()) co_return trouble;

  FrameHeader header = Frame();
  header.mutable_clone_done()->set_position(clone.position);
  Status sent = co_await connection_->Send(header);
  if (!sent.ok()) co_return sent;
  pump_ = std::make_unique<LogPump>(io_, engine_.ring(), connection_,
                                    options_.epoch, protection_, lag_, lease_,
                                    compressed_);
  tasks_.Spawn(PumpLoop());
  co_return Status::Ok();
}

}  // namespace ft::primary
