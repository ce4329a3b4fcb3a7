// SPDX-License-Identifier: GPL-2.0-or-later
//
// PacketPort: one end of chaos_link, an interface of this network namespace
// whose frames are read and written raw. Needs CAP_NET_RAW.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "logchannel/scoped_fd.h"

namespace ft::chaos {

class PacketPort {
 public:
  // Throws std::runtime_error naming the interface.
  explicit PacketPort(const std::string& interface);

  // Readable when a frame has come in.
  int fd() const { return socket_.get(); }
  // A frame that came in by the interface (not one that we sent); nothing if
  // there is none, or it is too long for a wire.
  std::optional<std::vector<uint8_t>> Receive();
  // Out of the interface. False: the kernel did not take it.
  bool Send(const std::vector<uint8_t>& frame);

 private:
  ScopedFd socket_;
};

// Takes an interface's offloads away: from now on it sends whole frames with
// their checksums. Throws std::runtime_error.
void DisableOffloads(const std::string& interface);

}  // namespace ft::chaos
