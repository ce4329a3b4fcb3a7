// SPDX-License-Identifier: GPL-2.0-or-later
//
// WriterFence: holds one VM's WriteRight, and lets writes through by it.
//
//     write          Enter(writer) ... write the disk ... Leave, shared
//     change         no new write begins; those in flight end; the new
//                    right is made durable, then takes effect   exclusive
//
// So when Change() has returned, no write that the new right refuses is in
// flight, and none can begin: the winner of a test-and-set owns the disk
// when it is told that it won.
//
// A write that hangs in dead storage holds up the change for ever, and with
// it every other write: whether it will land cannot be known, so nobody may
// be told that he won. Not std::shared_mutex, whose readers may keep a
// change waiting for as long as somebody writes.
//
// Thread-safe.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <variant>

#include "logchannel/status.h"
#include "shared-disk/write_right.h"

namespace ft::shared_disk {

class WriterFence {
 public:
  // A write in flight, for as long as it lives.
  class Pass {
   public:
    explicit Pass(WriterFence& fence) : fence_(&fence) {}
    Pass(Pass&& other) noexcept
        : fence_(std::exchange(other.fence_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (fence_) fence_->Leave();
    }

   private:
    WriterFence* fence_;
  };

  // The right that would follow; a Status if the change is refused.
  using Decide =
      std::function<Result<WriteRight>(const std::optional<WriteRight>&)>;
  // Makes it durable. Must not come back when it could not tell.
  using Persist = std::function<void(const WriteRight&)>;

  explicit WriterFence(std::optional<WriteRight> right)
      : right_(std::move(right)) {}
  WriterFence(const WriterFence&) = delete;
  WriterFence& operator=(const WriterFence&) = delete;

  // Waits while a change is under way.
  std::variant<Pass, Verdict> Enter(const Writer& writer);

  // The new right. One change at a time; a refused one disturbs nobody.
  Result<WriteRight> Change(const Decide& decide, const Persist& persist);

  // As Change(), to no right at all.
  void Forget(const std::function<void()>& persist);

  // Durable, always.
  std::optional<WriteRight> right() const;

 private:
  void Leave();
  // The exclusive part of a change: the lock is held before and after.
  void Replace(std::unique_lock<std::mutex>& lock,
               const std::function<void()>& persist,
               std::optional<WriteRight> next);

  mutable std::mutex mutex_;
  // Notified when a change ends, and when the last write in flight does.
  std::condition_variable changed_;
  // --- all below: mutex_ ---
  std::optional<WriteRight> right_;
  int in_flight_ = 0;
  bool changing_ = false;
};

}  // namespace ft::shared_disk
