// SPDX-License-Identifier: GPL-2.0-or-later
//
// Protection: how far one protection has come, and what may be concluded
// from it. Pure: positions and messages in, facts out.
//
//     kConnecting --OnClone(P)--> kCatchingUp --OnProtect(Q)--> kProtecting
//                                              --Ack{entitled}--> kProtected
//
// The one dangerous fact is may_be_entitled(): from the moment Protect may
// have left this host, the backup may take over without another word from
// us. Then outputs are released only by its acknowledgements, and the output
// rule may end only by a won test-and-set or by the backup's own Bye.
// Before that moment the backup never contends, and dropping it costs
// nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "logchannel/log_entry.h"
#include "logchannel/status.h"

namespace ft::primary {

using logchannel::LogPosition;

class Protection {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Phase {
    // Until the clone is complete: no log is kept.
    kConnecting,
    // The log is kept and sent; outputs leave at once.
    kCatchingUp,
    // Protect was sent (or may have been); the backup has not yet said that
    // it is entitled. It may have received the log through Q long since and
    // not Protect: log overtakes it, for the pump does not wait.
    kProtecting,
    // The backup is complete and knows it.
    kProtected,
  };

  // "Caught up" means: less than this much log unacknowledged, and executed
  // with less than this delay. 1 MiB is 1/32 of the ring and under a tenth
  // of a second of a gigabit link; 100 ms is the paper's ordinary lag.
  static constexpr uint64_t kCaughtUpBytes = 1u << 20;
  static constexpr std::chrono::milliseconds kCaughtUpLag{100};
  // A pair under constant load on busy hosts may never be that near. After
  // so long the longest lag that is tolerated at all will do: a failover
  // then takes a second, no protection takes everything.
  static constexpr std::chrono::milliseconds kPatience{3000};
  static constexpr std::chrono::milliseconds kLagMax{1000};
  // After so long any lag will do: the output rule needs what was received,
  // not what was executed. Outputs that wait slow the guest's clients, and
  // what lag is left lengthens a failover.
  static constexpr std::chrono::milliseconds kLongPatience{8000};
  // For so long without a break: at the very beginning every backup is
  // near, however slow.
  static constexpr std::chrono::milliseconds kCaughtUpFor{200};

  // The clone ended at `position`; everything from there on is sent.
  void OnClone(LogPosition position);
  // `position` has been handed to the connection. Monotonic.
  void OnSent(LogPosition position);
  // The backup's cumulative acknowledgement. Refused, and nothing changed,
  // when a position goes back, exceeds what was sent, replayed exceeds
  // received, or entitled is what cannot be: such a peer cannot be trusted
  // with anything.
  Status OnAck(LogPosition received, LogPosition replayed,
               bool entitled = false);
  // Protect{position} is about to be sent.
  void OnProtect(LogPosition position);
  // The backup said Bye: by its word it never contends.
  void OnPeerBye() { peer_left_ = true; }

  Phase phase() const;
  bool may_be_entitled() const { return protect_.has_value() && !peer_left_; }
  // Asked at every look while catching up. False at least until what was
  // committed at the first look has been replayed.
  bool CaughtUp(LogPosition committed, std::chrono::milliseconds lag, Time now);

  LogPosition sent() const { return sent_; }
  LogPosition received() const { return received_; }
  LogPosition replayed() const { return replayed_; }

 private:
  bool cloned_ = false;
  bool peer_left_ = false;
  bool peer_entitled_ = false;  // by its word; for good
  LogPosition sent_ = 0;        // monotonic
  LogPosition received_ = 0;    // monotonic, <= sent_
  LogPosition replayed_ = 0;    // monotonic, <= received_
  std::optional<LogPosition> protect_;
  // CaughtUp(): committed at the first look and when that was; the last time
  // that it was not.
  std::optional<LogPosition> first_look_;
  Time looked_{};
  Time behind_{};
};

}  // namespace ft::primary
