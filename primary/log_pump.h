// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogPump: carries the log from the engine's ring to the connection, in
// whole entries, as soon as the engine rings.
//
//     ring   |acknowledged ......... |sent ......... |committed
//             kept for the engine     the next frame
//
// Bound: one frame in hand. A frame holds every whole entry that is
// committed when the one before has left, at most kEntryBytesMax (4 MiB,
// the largest single entry; a busy guest makes frames of a few KiB). What
// the connection does not take stays in the ring, and when that is full the
// vCPU waits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "fencing/output_lease.h"
#include "logchannel/connection.h"
#include "logchannel/entry_compression.h"
#include "logchannel/log_ring.h"
#include "logchannel/ring_doorbell.h"
#include "primary/lag_meter.h"
#include "primary/protection.h"

namespace ft::primary {

class LogPump {
 public:
  // References outlive the pump. Starts at protection.sent(), which it
  // moves. `lease` is told when each frame was about to be sent. `compressed`:
  // the backup has agreed to decompress.
  LogPump(boost::asio::io_context& io, logchannel::LogRing& ring,
          std::shared_ptr<logchannel::Connection> connection, uint64_t epoch,
          Protection& protection, LagMeter& lag, fencing::OutputLease& lease,
          bool compressed = false);

  // Pumps until Stop() (Ok), until the connection is lost (its status), or
  // until what the ring has is no log (damage()). Goes on after the engine
  // has died: the ring outlives it.
  boost::asio::awaitable<Status> Run();
  void Stop();

  // Not ok once the ring was found damaged: nothing more can be read.
  const Status& damage() const { return damage_; }
  // Everything committed is handed to the connection.
  bool drained() const;

 private:
  boost::asio::awaitable<Status> SendSome();

  logchannel::LogRing& ring_;
  logchannel::RingDoorbell doorbell_;
  const std::shared_ptr<logchannel::Connection> connection_;
  const uint64_t epoch_;
  Protection& protection_;
  LagMeter& lag_;
  fencing::OutputLease& lease_;
  const std::unique_ptr<logchannel::EntryCompressor> compressor_;  // or null
  std::vector<std::byte> frame_;  // kEntryBytesMax
  Status damage_;
  bool stopped_ = false;
};

}  // namespace ft::primary
