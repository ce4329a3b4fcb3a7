// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where a service listens, as the path of a disk names it: HOST:PORT. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace ft::replay {

struct NetworkAddress {
  // A name or an IPv4 address, or an IPv6 address without its brackets. No
  // character of it means anything to QEMU's options.
  std::string host;
  uint16_t port = 0;
};

// "HOST:PORT" or "[V6]:PORT"; without the port `default_port`, unless that is
// 0. Nothing if it is neither.
std::optional<NetworkAddress> ParseNetworkAddress(const std::string& text,
                                                  uint16_t default_port = 0);

}  // namespace ft::replay
