// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_recorder.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <span>
#include <vector>

#include "replay/engine_command.h"

namespace ft::replay {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// The engine says that the clone is complete when its last byte is in the
// pipe; the file is a moment behind.
constexpr milliseconds kSnapshotTimeout(10'000);
constexpr milliseconds kSnapshotEvery(5);

}  // namespace

std::string ShellWord(const std::string& text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'') {
      word += "'\\''";
    } else {
      word += c;
    }
  }
  return word + "'";
}

LogRecorder::LogRecorder(Engine& engine, logchannel::RingDoorbell& bell,
                         const std::string& directory, std::string why)
    : engine_(engine),
      bell_(bell),
      recording_(directory, engine.options().binary, ShareDir(engine.options()),
                 engine.options().vm),
      why_(std::move(why)) {}

asio::awaitable<Result<CloneResult>> LogRecorder::Begin(milliseconds timeout,
                                                        bool dense) {
  for (const Disk& disk : engine_.options().vm.disks) {
    if (disk.mode == kShared && disk.reads == kReadsFromLog) continue;
    co_return Status::Invalid(
        "disk " + disk.path + " cannot be recorded: a replay would read it",
        "set mode = \"shared\" and reads = \"log\"");
  }
  Status written = recording_.WriteCommand();
  if (!written.ok()) co_return written;
  // Whole, or not there.
  const std::string path = recording_.snapshot_path();
  const std::string part = ShellWord(path + ".part");
  const std::string uri =
      "exec:cat > " + part + " && mv " + part + " " + ShellWord(path);
  auto clone = co_await engine_.CloneTo(uri, timeout);
  if (!clone.ok()) co_return clone.status();
  engine_.ring().SetDenseDigests(dense);
  begun_ = steady_clock::now();
  logchannel::ArchivedLogHead head;
  head.set_vm(engine_.options().vm.name);
  head.set_engine_build(engine_.ring().engine_build());
  head.set_first(clone->position);
  head.set_clone(clone->position);
  head.set_why(why_);
  auto log = logchannel::ArchivedLogWriter::Create(recording_.log_path(),
                                                   std::move(head));
  Status status = log.status();
  if (log.ok()) {
    log_ = std::move(*log);
    status = co_await WaitForSnapshot();
  }
  if (status.ok()) co_return *clone;
  engine_.ring().SetDenseDigests(false);
  (void)co_await engine_.Unprotect();
  co_return status;
}

asio::awaitable<Status> LogRecorder::WaitForSnapshot() {
  const auto deadline = steady_clock::now() + kSnapshotTimeout;
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (!std::filesystem::exists(recording_.snapshot_path())) {
    if (steady_clock::now() > deadline) {
      co_return Status::Unavailable(
          "the snapshot " + recording_.snapshot_path() + " was not written");
    }
    timer.expires_after(kSnapshotEvery);
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return Status::Ok();
}

asio::awaitable<void> LogRecorder::Carry() {
  std::vector<std::byte> buffer(logchannel::kEntryBytesMax);
  auto& ring = engine_.ring();
  while (co_await bell_.WaitUntil(
      [&] { return stopping_ || ring.committed() > log_->end(); })) {
    if (stopping_) co_return;
    const auto size = ring.ReadEntries(log_->end(), buffer);
    status_ = size.status();
    if (!status_.ok()) co_return;
    const auto time = std::chrono::duration_cast<std::chrono::microseconds>(
        steady_clock::now() - begun_);
    status_ = log_->Append(std::span(buffer.data(), *size), time.count());
    if (status_.ok()) status_ = ring.Acknowledge(log_->end());
    if (!status_.ok()) co_return;
    co_await asio::post(asio::use_awaitable);
  }
}

void LogRecorder::Stop() {
  stopping_ = true;
  engine_.ring().SetDenseDigests(false);
  bell_.Wake();
}

Status LogRecorder::Finish() {
  if (!status_.ok() || !log_) return status_;
  return log_->Finish();
}

}  // namespace ft::replay
