// SPDX-License-Identifier: GPL-2.0-or-later
//
// Entitlement: what this backup holds of the log, and whether that entitles
// it to take over. Pure: messages and positions in, facts out.
//
//     CloneDone{P}, FT_FOLLOW{P}     received == P, entries may follow
//     Entries                        received grows, without a gap
//     Protect{Q}                     entitled once received >= Q
//
// Why Q: outputs up to Q left the primary without waiting for anybody. Only
// a backup that holds the log through Q can explain all of them; every
// output after Q waits for this backup's acknowledgement.
//
// Everything that a peer says is checked here before anything is applied.
#pragma once

#include <cstdint>
#include <optional>

#include "logchannel/log_entry.h"
#include "logchannel/status.h"

namespace ft::backup {

using logchannel::LogPosition;

class Entitlement {
 public:
  // The primary's and our engine's word on where the clone ended, in either
  // order, once each. Refused when they differ.
  Status OnCloneDone(LogPosition position);
  Status OnFollow(LogPosition position);
  // Both have come.
  bool following() const { return clone_done_ && followed_; }

  // Entries may be appended: they begin where the last ones ended.
  Status CheckEntries(LogPosition first) const;
  // Everything before `position` is in the ring. Monotonic.
  void OnAppended(LogPosition position);
  // The engine says that it has executed everything before `position`.
  // Refused when that went back, or exceeds what is received.
  Status OnReplayed(LogPosition position);
  Status OnProtect(LogPosition position);
  // VmGone and Handover: the log ends at `position`, and we hold all of it.
  Status CheckFinal(LogPosition position) const;

  bool entitled() const { return protect_ && received_ >= *protect_; }
  LogPosition received() const { return received_; }
  LogPosition replayed() const { return replayed_; }

 private:
  std::optional<LogPosition> clone_done_;
  std::optional<LogPosition> followed_;
  std::optional<LogPosition> protect_;
  LogPosition received_ = 0;  // monotonic from the clone's end on
  LogPosition replayed_ = 0;  // monotonic, <= received_
};

}  // namespace ft::backup
