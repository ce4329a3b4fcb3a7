// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/writer_fence.h"

#include "logchannel/check.h"

namespace ft::shared_disk {

std::variant<WriterFence::Pass, Verdict> WriterFence::Enter(
    const Writer& writer) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !changing_; });
  const Verdict verdict = MayWrite(right_, writer);
  if (verdict != Verdict::kMayWrite) return verdict;
  ++in_flight_;
  return Pass(*this);
}

void WriterFence::Leave() {
  const std::lock_guard lock(mutex_);
  FT_CHECK(in_flight_ > 0) << in_flight_ << " writes in flight";
  if (--in_flight_ == 0) changed_.notify_all();
}

Result<WriteRight> WriterFence::Change(const Decide& decide,
                                       const Persist& persist) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !changing_; });
  Result<WriteRight> next = decide(right_);
  if (!next.ok()) return next;
  Replace(lock, [&] { persist(*next); }, *next);
  return next;
}

void WriterFence::Forget(const std::function<void()>& persist) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !changing_; });
  Replace(lock, persist, std::nullopt);
}

void WriterFence::Replace(std::unique_lock<std::mutex>& lock,
                          const std::function<void()>& persist,
                          std::optional<WriteRight> next) {
  changing_ = true;
  changed_.wait(lock, [this] { return in_flight_ == 0; });
  // Nobody else changes right_ now; it can be read meanwhile.
  lock.unlock();
  persist();
  lock.lock();
  FT_CHECK(in_flight_ == 0) << in_flight_ << " writes in flight";
  right_ = std::move(next);
  changing_ = false;
  changed_.notify_all();
}

std::optional<WriteRight> WriterFence::right() const {
  const std::lock_guard lock(mutex_);
  return right_;
}

}  // namespace ft::shared_disk
