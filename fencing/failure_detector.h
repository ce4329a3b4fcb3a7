// SPDX-License-Identifier: GPL-2.0-or-later
//
// FailureDetector: whether one side of a protected VM should suspect the
// other. A suspicion is a reason to ask the test-and-set, never proof: the
// peer may be slow, paused or merely cut off (arbitration.h goes on).
//
// Intuition. A healthy peer is heard at least once per heartbeat interval,
// in datagrams or on the log channel; either is enough. When nothing was
// heard for `silence`, we suspect. But silence counts only while we
// ourselves were listening: a detector that did not run for a second, on a
// starved or paused host, has no right to blame its peer for that second.
// So silence is summed from tick to tick, and one gap between two ticks adds
// at most `longest_gap`. A late detector suspects later; it always
// suspects in the end.
//
//     T=0      50      100    ...    450     500 ms   backup, 500 ms silence
//     heard    tick    tick          tick    suspect
//
// Why the primary is the quicker one (400 ms against 500 ms): if only the
// log link is cut, both sides are alive and both will contend. Each heard
// the other last within one interval (50 ms) before the cut, so the primary
// suspects 350 to 400 ms after the cut and the backup 450 to 500 ms after
// it: at least 50 ms apart, many test-and-set round trips. The side that is
// serving clients wins and nobody outside notices. This bias makes the good
// outcome likely; safety does not rest on it.
//
// Pure: time comes in, verdicts go out. Not thread-safe; one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace ft::fencing {

// A point on the host's own monotonic clock (never the wall clock, never
// another host's). Agents pass steady_clock::now(), tests count by hand.
using Instant = std::chrono::steady_clock::time_point;

// Why one side believes that it can no longer count on the other. The first
// four are the detector's findings; the others an agent's own.
enum class Suspicion {
  // Entered after `silence` without datagram or log traffic of this epoch;
  // left as soon as the peer is heard again.
  kSilence,
  // The log connection was reset, closed or timed out (TCP_USER_TIMEOUT).
  // Entered at once. Never left within an epoch: log entries in flight were
  // lost, so even a peer that is heard in datagrams cannot take up again.
  kConnectionReset,
  // The peer's ftd said that its VM died (message VmGone). Entered at once,
  // never left.
  kPeerVmGone,
  // The peer sends datagrams of a higher epoch: it has won a test-and-set
  // that we know nothing of. Entered at once, never left. The test-and-set
  // will say that it is held by the peer.
  kPeerMovedOn,

  // Primary: Handover was sent and not answered in time. Never left.
  kHandoverUnanswered,
  // Backup: the primary asked to hand over (Arbitration::OnHandover).
  kHandover,
  // Primary: ftd died and came back; whatever the backup decided meanwhile,
  // the test-and-set knows. Never left.
  kRestarted,
  // Primary: the backup acknowledged or executed nothing for too long. It is
  // told only when the next epoch is taken: told before, it would contend,
  // and might win with an engine that does not move. Never left.
  kNoProgress,
  // Primary: the operator ends protection and the backup did not confirm the
  // Bye. It may be entitled still and go live, so the primary takes the next
  // epoch before it lets outputs go. Never left.
  kProtectionEnded,
};
// "no heartbeat and no log traffic", "log connection reset", ... for logs
// and `ftctl status`.
const char* ToString(Suspicion);

struct FailureDetectorOptions {
  // Both sides send a heartbeat this often.
  std::chrono::milliseconds interval{50};
  // Suspect after so much silence: 10 beats for a backup, 8 for a primary.
  std::chrono::milliseconds silence{500};
  // The same until Engage(), if that is longer.
  std::chrono::milliseconds silence_at_first{0};
  // The most that one gap between two ticks adds to the silence. Two
  // intervals: one tick may come late by a whole interval unpunished.
  std::chrono::milliseconds longest_gap{100};

  static FailureDetectorOptions Primary() {
    return {.silence = std::chrono::milliseconds(400)};
  }
  static FailureDetectorOptions Backup() { return {}; }
};

// silence_at_first of a pair that is being made: nobody depends on it yet,
// and cloning makes hosts busy.
constexpr std::chrono::milliseconds kSilenceWhileStarting{3000};

class FailureDetector {
 public:
  using Options = FailureDetectorOptions;

  // The peer counts as heard at `now`: create it when the log connection
  // stands and the peer has begun to send heartbeats. One instance serves
  // one epoch and one peer.
  FailureDetector(const Options& options, uint64_t epoch, Instant now);

  // From now on (protection begins) `silence` counts, and it starts anew.
  void Engage();

  // A datagram of the peer for this VM. Of our epoch: heard. Of a lower
  // one: ignored. Of a higher one: kPeerMovedOn.
  void OnHeartbeat(Instant now, uint64_t epoch);
  // Any frame of our epoch on the log channel, acknowledgements included.
  void OnLogTraffic(Instant now);
  // The log connection ended in any way but an agreed Bye.
  void OnConnectionReset(Instant now);
  // VmGone has come, and the log through its final_position with it.
  void OnPeerVmGone(Instant now);

  // The verdict at `now`: nothing (the peer is alive) or the suspicion.
  // Call it at next_deadline() or earlier, and after each input that may
  // change the verdict. `now` never goes back (FT_CHECK).
  std::optional<Suspicion> Tick(Instant now);

  // When to call Tick next. At most one interval after the last Tick, so
  // that gaps in our own attention are seen.
  Instant next_deadline() const;

  // Silence that we have listened to so far; for `ftctl status` and for the
  // field detect_ms of a failover. Zero right after the peer was heard.
  std::chrono::nanoseconds silence() const { return silence_; }

 private:
  // Adds the time since the last call to the silence, bounded.
  void Listen(Instant now);

  const Options options_;
  const uint64_t epoch_;
  std::chrono::milliseconds limit_;  // of the silence, now
  // Of the last input or tick. Monotonic.
  Instant last_;
  // See silence(). Grows in Listen, reset by anything heard.
  std::chrono::nanoseconds silence_{0};
  // A suspicion that is never left; the first one stays.
  std::optional<Suspicion> lasting_;
};

}  // namespace ft::fencing
