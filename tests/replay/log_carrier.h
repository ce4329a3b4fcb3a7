// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogCarrier: what two ftds and a log channel do, in one process: it carries
// log entries from a recording engine's ring to a replaying engine's, and
// acknowledges what it has taken.
//
//     primary's ring --Carry--> backup's ring                  streamed
//     primary's ring --Carry--> archive --Feed--> backup's ring    archived
//     primary's ring <-------Follow-------------- backup's ring    how far it
//     is
//
// Fed to its end, an archived log streams from then on. Used from one thread;
// the coroutines are spawned by the owner, who outlives them.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "logchannel/ring_doorbell.h"

namespace ft::replay {

class LogCarrier {
 public:
  // One engine's ring; both outlive the carrier's coroutines.
  struct End {
    logchannel::LogRing& ring;
    logchannel::RingDoorbell& bell;
  };

  // `position`: where the clone was taken.
  LogCarrier(End primary, End backup, uint64_t position, bool archive);
  LogCarrier(const LogCarrier&) = delete;
  LogCarrier& operator=(const LogCarrier&) = delete;

  // Until Stop().
  boost::asio::awaitable<void> Carry();
  // Continues where the last one ended, until the backup has all entries
  // before `until`, the end of an entry that was carried. With kEverything
  // until the archive's end, and then what is carried streams.
  boost::asio::awaitable<void> Feed(uint64_t until);
  static constexpr uint64_t kEverything = UINT64_MAX;
  // Until Stop(): tells the primary what the backup has carried out. To run
  // whenever one of the others does: nobody else hears the backup's bell.
  boost::asio::awaitable<void> Follow();

  // While off, the backup gets nothing and acknowledges nothing.
  void SetCarrying(bool on);
  // All coroutines end soon.
  void Stop();

  // The end of what was taken from the primary and acknowledged to it: it is
  // in the backup's ring, or in the archive.
  uint64_t carried() const { return carried_; }
  // The archived log, for evidence (logchannel/archived_log.h).
  Status WriteArchive(const std::string& path, const std::string& why) const;

 private:
  // False when Stop() came before there was room.
  boost::asio::awaitable<bool> ToBackup(uint64_t position,
                                        std::span<const std::byte> entries);

  const End primary_;
  const End backup_;
  const bool archiving_;
  bool streaming_;  // what is carried goes to the backup at once
  bool carrying_ = true;
  bool stopping_ = false;
  const uint64_t first_;  // where the log begins
  uint64_t carried_;
  uint64_t followed_;                          // that the primary was told
  boost::asio::steady_timer* room_ = nullptr;  // who waits for room waits on it
  std::deque<std::vector<std::byte>> archive_;  // as each read found it
  size_t fed_pieces_ = 0;                       // of the archive
  uint64_t fed_;                                // their end
};

}  // namespace ft::replay
