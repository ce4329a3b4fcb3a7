// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/iscsi_test_and_set.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace ft::fencing {
namespace {

using iscsi::HeaderIs;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr seconds kLoginTimeout{10};
// Targets close sessions that say nothing for half a minute or more.
constexpr seconds kPingInterval{5};
constexpr seconds kPingTimeout{2};
// Between tries to open a session that nobody waits for.
constexpr seconds kPause{1};

Status CheckHeader(std::string_view block, const std::string& url) {
  switch (iscsi::LookAtHeader(block)) {
    case HeaderIs::kOurs:
      return Status::Ok();
    case HeaderIs::kBlank:
      return Status::Unavailable("iSCSI LUN " + url + " is not formatted",
                                 "ftctl fencing format " + url);
    case HeaderIs::kOther:
      return Status::Unavailable(
          "iSCSI LUN " + url + " was formatted by another release, or its " +
              "first block is damaged",
          "use the same release on all hosts; or, with all VMs stopped, "
          "ftctl fencing format --force " +
              url);
    case HeaderIs::kForeign:
      break;
  }
  return Status::Unavailable(
      "iSCSI LUN " + url + " holds something that is not Lockstep's",
      "give Lockstep a LUN of its own, then ftctl fencing format its URL");
}

}  // namespace

IscsiTestAndSet::IscsiTestAndSet(IscsiTarget target, iscsi::Table table,
                                 std::chrono::milliseconds timeout)
    : SwapTestAndSet("iSCSI LUN " + target.url, timeout),
      target_(std::move(target)),
      table_(table),
      keeper_([this](std::stop_token stop) { KeeperMain(stop); }) {}

IscsiTestAndSet::~IscsiTestAndSet() = default;

Result<std::unique_ptr<IscsiSession>> IscsiTestAndSet::Open(
    std::stop_token stop) const {
  const Deadline deadline = steady_clock::now() + kLoginTimeout;
  auto session = IscsiSession::Open(target_, deadline, stop);
  if (!session.ok()) return session;
  const Result<std::string> header = (*session)->Read(0, 1, deadline);
  if (!header.ok()) return header.status();
  if (Status s = CheckHeader(*header, target_.url); !s.ok()) return s;
  if ((*session)->blocks() >= iscsi::kBlocks) return session;
  return Status::Unavailable("iSCSI LUN " + target_.url + " has become smaller",
                             "give it back its size");
}

void IscsiTestAndSet::KeeperMain(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (taken_) {
      changed_.wait(lock, stop, [this] { return !taken_; });
    } else if (session_) {
      const bool asked = changed_.wait_for(
          lock, stop, kPingInterval, [this] { return taken_ || !session_; });
      if (asked || stop.stop_requested()) continue;
      taken_ = true;
      auto session = std::move(session_);
      lock.unlock();
      (void)session->Ping(steady_clock::now() + kPingTimeout);
      GiveBack(std::move(session));
      lock.lock();
    } else {
      ++begun_;
      lock.unlock();
      auto session = Open(stop);
      lock.lock();
      if (session.ok()) {
        session_ = std::move(session).value();
      } else {
        failure_ = session.status();
        failed_ = begun_;
      }
      changed_.notify_all();
      if (session_) continue;
      changed_.wait_for(lock, stop, kPause, [this] { return waiting_ > 0; });
    }
  }
}

Result<std::unique_ptr<IscsiSession>> IscsiTestAndSet::Take(Deadline deadline) {
  std::unique_lock lock(mutex_);
  const uint64_t begun = begun_;
  const auto settled = [&] { return (session_ && !taken_) || failed_ > begun; };
  ++waiting_;
  changed_.notify_all();
  const bool in_time = changed_.wait_until(lock, deadline, settled);
  --waiting_;
  if (session_) {
    taken_ = true;
    return std::move(session_);
  }
  if (in_time) return failure_;
  return Status::Unavailable(where() + ": no answer in time",
                             "check the target and the network to it");
}

void IscsiTestAndSet::GiveBack(std::unique_ptr<IscsiSession> session) {
  std::lock_guard lock(mutex_);
  taken_ = false;
  if (session->alive()) session_ = std::move(session);
  changed_.notify_all();
}

Status IscsiTestAndSet::With(Deadline deadline, const Work& work) {
  Status status;
  for (int i = 0; i < 2; ++i) {
    auto session = Take(deadline);
    if (!session.ok()) return session.status();
    status = work(**session);
    const bool alive = (*session)->alive();
    GiveBack(std::move(session).value());
    if (alive) break;
  }
  return status;
}

Status IscsiTestAndSet::Damaged(uint64_t block, const std::string& vm) const {
  return Status::Unavailable(
      "block " + std::to_string(block) + " of " + where() +
          ", where the record of " + vm + " should be, is damaged",
      "find out which hosts run VMs, stop them, then ftctl fencing format "
      "--force " +
          target_.url);
}

Result<SwapTestAndSet::Found> IscsiTestAndSet::Search(IscsiSession& session,
                                                      const std::string& vm,
                                                      Deadline deadline) const {
  const uint32_t end = table_.first + table_.count;
  const uint32_t size = session.block_size();
  uint32_t block = iscsi::FirstBlock(table_, vm);
  for (uint32_t seen = 0; seen < table_.count;) {
    const uint32_t count =
        std::min({kBlocksAtOnce, end - block, table_.count - seen});
    const Result<std::string> bytes = session.Read(block, count, deadline);
    if (!bytes.ok()) return bytes.status();
    for (uint32_t i = 0; i < count; ++i, ++seen) {
      std::string content = bytes.value().substr(i * size, size);
      const uint64_t place = block + i;
      if (iscsi::IsBlank(content)) return Found{{}, place, std::move(content)};
      std::optional<VmRecord> record = iscsi::DecodeRecordBlock(content);
      if (!record) return Damaged(place, vm);
      if (record->vm == vm) {
        return Found{std::move(record), place, std::move(content)};
      }
    }
    block = block + count == end ? table_.first : block + count;
  }
  return Status::Unavailable(where() + " has no room for another VM",
                             "it holds " + std::to_string(table_.count) +
                                 ", stopped ones included; use another LUN "
                                 "for new VMs");
}

// The record may have been written by somebody who died before it was
// durable, hence the synchronisation.
Result<SwapTestAndSet::Found> IscsiTestAndSet::Find(const std::string& vm,
                                                    Deadline deadline) {
  Result<Found> found = Found{};
  const Status status = With(deadline, [&](IscsiSession& session) {
    found = Search(session, vm, deadline);
    if (!found.ok()) return found.status();
    if (!found->record) return Status::Ok();
    return session.Synchronize(found->place, 1, deadline);
  });
  if (!status.ok()) return status;
  return found;
}

Result<bool> IscsiTestAndSet::Swap(const Found& found, const VmRecord& wanted,
                                   Deadline deadline) {
  bool swapped = false;
  const Status status = With(deadline, [&](IscsiSession& session) {
    const Result<bool> result = CompareAndWrite(
        session, found.place, found.content,
        iscsi::EncodeRecordBlock(wanted, session.block_size()), deadline);
    if (!result.ok()) return result.status();
    swapped = *result;
    if (!swapped) return Status::Ok();
    return session.Synchronize(found.place, 1, deadline);
  });
  if (!status.ok()) return status;
  return swapped;
}

Result<bool> IscsiTestAndSet::CompareAndWrite(IscsiSession& session,
                                              uint64_t block,
                                              const std::string& expected,
                                              const std::string& wanted,
                                              Deadline deadline) {
  return session.CompareAndWrite(block, expected, wanted, deadline);
}

// On the header, which is only ever written again as it is.
Status IscsiTestAndSet::Try(Deadline deadline) {
  return With(deadline, [&](IscsiSession& session) {
    const std::string header = iscsi::EncodeHeader(session.block_size());
    std::string other = header;
    other.back() = '\1';
    Result<bool> same = CompareAndWrite(session, 0, header, header, deadline);
    if (!same.ok()) return same.status();
    Result<bool> different =
        CompareAndWrite(session, 0, other, header, deadline);
    if (!different.ok()) return different.status();
    if (*same && !*different) return Status::Ok();
    return Status::Unavailable(
        where() + ": the target's COMPARE AND WRITE does not compare",
        "use another target; this one cannot decide who runs a VM");
  });
}

}  // namespace ft::fencing
