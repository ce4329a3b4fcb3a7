// SPDX-License-Identifier: GPL-2.0-or-later
//
// The output lease: why a primary that was paused (SIGSTOP, a stalled host)
// and comes back after its backup went live sends nothing any more.
//
// The hole. An output may leave when it is acknowledged. But between the
// acknowledgement and the leaving the engine, its ftd or the whole host may
// stand still for as long as they like; the acknowledgement itself may lie
// in a socket's buffer meanwhile. The backup suspects, wins, goes live, and
// serves; then the old primary wakes up and sends what it may.
//
// The rule. An acknowledgement is good for kOutputLease only:
//
//     primary (its clock)                backup (its clock)
//     s  sends entries through P  ---->  r  takes them: grants
//     a  hears "received P"       <----     acknowledges
//        may release what is <= P           may not go live
//        while now < s + lease              before r + lease + margin
//
//   The primary counts from when it *sent* what is acknowledged, never from
//   when it heard: a late acknowledgement is worth less, one that waited in
//   a buffer through a pause nothing. The backup counts from when it took
//   the entries. s is before r in any world, so the primary's lease is over
//   first; no clock is compared with another one, only rates have to agree.
//   The newest beat that was heard counts like a position (OnBeat...), so
//   that a log channel that is merely slow does not keep outputs for ever.
//
// Which clock. One that goes on while the process or the host stands still:
// CLOCK_BOOTTIME in engine and ftd (fencing/boot_clock.h). A host whose clock
// stops with it (a VM resumed from a snapshot) is not covered: README, Limits.
//
// The length. It is paid where the primary's host is killed and the kernel
// resets the log connection: the backup knows at once, and waits what is
// left of the lease while it asks the store and drains its log. 100 ms of a
// blackout whose bar is 150 ms (median) and 500 ms (worst). After silence
// (400, 500 ms) it is over long since and costs nothing. Lower is not for
// free: an acknowledgement that takes longer than the lease lets nothing
// go until the next one comes, so it has to be far above a round trip
// between busy hosts (1 to 30 ms); 100 ms is two heartbeats.
//
// Nobody needs to wait for a primary that can release nothing more:
// LeaseWaitIsNeeded().
//
// Pure; one owner each.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "fencing/failure_detector.h"

namespace ft::fencing {

constexpr std::chrono::milliseconds kOutputLease{100};
// What the backup waits beyond it: clocks that differ by 1000 ppm, five
// times what a bad crystal does and twice what NTP may slew, and a clock
// that was read 5 ms late.
constexpr std::chrono::microseconds kOutputLeaseMargin =
    kOutputLease / 1000 + std::chrono::microseconds(5000);

// The primary's half, in ftd, which writes until() into the ring.
class OutputLease {
 public:
  // Samples under way. A full queue takes no new one: what is acknowledged
  // then counts as sent when an older frame was, which is the safe side.
  static constexpr size_t kPendingMax = 256;

  explicit OutputLease(std::chrono::nanoseconds length = kOutputLease)
      : length_(length) {}

  // Log through `position` is about to be sent; call it before. Monotonic.
  void OnSent(uint64_t position, Instant now) { Send(log_, position, now); }
  // The backup has everything through `position`.
  void OnAcknowledged(uint64_t position) { Hear(log_, position); }
  // The same for the sequence numbers of heartbeats and their echo.
  void OnBeatSent(uint64_t sequence, Instant now) {
    Send(beats_, sequence, now);
  }
  void OnBeatEchoed(uint64_t sequence) { Hear(beats_, sequence); }

  // From now on nothing may leave, whatever is acknowledged: before a planned
  // failover is asked for, whose answer waits for no lease.
  void Revoke();
  // It was refused: what is sent from now on counts again.
  void Restore(Instant now);

  // Held outputs may leave before this instant, by this host's clock, and
  // never at or after it. The clock's beginning while nothing is granted.
  // Grows, but for Revoke().
  Instant until() const { return until_; }
  bool MayRelease(Instant now) const { return now < until_; }

 private:
  struct Sample {
    uint64_t number;
    Instant sent;
  };
  using Samples = std::deque<Sample>;
  void Send(Samples& samples, uint64_t number, Instant now);
  void Hear(Samples& samples, uint64_t number);

  const std::chrono::nanoseconds length_;
  Samples log_, beats_;  // ascending
  Instant until_{};
  Instant counts_from_{};  // samples sent before it grant nothing
};

// The backup's half.
class LeaseGrant {
 public:
  explicit LeaseGrant(std::chrono::nanoseconds wait = kOutputLease +
                                                      kOutputLeaseMargin)
      : wait_(wait) {}

  // Something new of the primary was taken and is (or may be) acknowledged
  // or echoed: call it at any time from taking it until sending the answer.
  // Not for an answer that only repeats.
  void Grant(Instant now) { granted_ = now; }

  // This side may be live from here on and no earlier.
  Instant may_go_live_at() const {
    return granted_ ? *granted_ + wait_ : Instant::min();
  }

 private:
  const std::chrono::nanoseconds wait_;
  std::optional<Instant> granted_;
};

// Whether a backup that follows `suspicion` has to wait the lease out.
// Not after VmGone: its sender saw the engine's process end. Not after
// Handover: its sender paused the VM and revoked the lease first. After all
// others: a reset connection says that ftd is gone and nothing about the
// engine, silence says nothing at all (but then the lease is over).
bool LeaseWaitIsNeeded(Suspicion suspicion);

}  // namespace ft::fencing
