// SPDX-License-Identifier: GPL-2.0-or-later
//
// FrameOrder: from which host the guest's frames come, in the order in which
// they reach the switch. The guest has one MAC wherever it runs; the port
// tells the host. A host that has lost the VM and still sends, be it a single
// frame that it held too long, shows as a change of hosts that no epoch
// explains:
//
//     A A A A A | B B B B B        one change: one failover
//     A A A A A | B B | A | B B    three: a stale frame of A
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "logchannel/scoped_fd.h"
#include "tests/system/network.h"

namespace ft::chaos {

class FrameOrder {
 public:
  // Listens from now on, in a thread of its own. BedError if it cannot.
  explicit FrameOrder(const bed::Network& network);
  ~FrameOrder();
  FrameOrder(const FrameOrder&) = delete;
  FrameOrder& operator=(const FrameOrder&) = delete;

  struct Seen {
    int frames = 0;
    int changes = 0;
    // Of the last changes: to which host, when (CLOCK_MONOTONIC, ms), and
    // the first frame after it in hex.
    std::string story = {};
  };
  // Ends the listening.
  Seen Finish();

 private:
  void ListenMain();
  void Read();

  const ScopedFd socket_;
  const int ports_[2];  // of host A's and host B's uplink
  std::atomic<bool> stop_{false};
  // The thread's until it was joined.
  int last_ = -1;
  Seen seen_;
  std::jthread thread_;
};

}  // namespace ft::chaos
