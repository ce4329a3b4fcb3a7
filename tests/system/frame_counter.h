// SPDX-License-Identifier: GPL-2.0-or-later
//
// FrameCounter: what one host lets out for the guest, seen at the switch.
// The guest has the same MAC wherever it runs; the port tells the host.
#pragma once

#include <string>

#include "logchannel/scoped_fd.h"
#include "tests/system/network.h"

namespace ft::bed {

class FrameCounter {
 public:
  // Counts from now on. BedError if the port cannot be listened on. One
  // thread; of that, the namespace is another one for a moment.
  FrameCounter(const Network& network, Side side);

  // Frames with the guest's MAC as their source that have come in by the
  // host's uplink since the beginning. Call it often enough under load: what
  // the kernel keeps is bounded (some thousand frames).
  int Count();
  // The first of them, in hex: for the one who has to find out.
  const std::string& first() const { return first_; }

 private:
  ScopedFd socket_;
  int count_ = 0;
  std::string first_;
};

// A packet socket on every frame that passes `port` of a namespace, or any
// port of it (""). BedError if there is none.
ScopedFd ListenToFrames(const std::string& name_space, const std::string& port);
// The number of a port of a namespace, as such a socket tells it; 0: none.
int PortIndex(const std::string& name_space, const std::string& port);

}  // namespace ft::bed
