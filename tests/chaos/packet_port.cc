// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/packet_port.h"

#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace ft::chaos {
namespace {

// An Ethernet frame with a VLAN tag; the bed has an MTU of 1500.
constexpr size_t kFrameMax = 1518;
constexpr int kBufferBytes = 8 << 20;

[[noreturn]] void Fail(const std::string& what) {
  throw std::runtime_error(what + ": " + strerror(errno));
}

}  // namespace

PacketPort::PacketPort(const std::string& interface)
    : socket_(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
              interface) {
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  const int on = 1;
  const int fd = socket_.get();
  // Bound last: not a frame is read that is our own, or another's.
  if (!socket_.valid() || address.sll_ifindex == 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBufferBytes,
                 sizeof kBufferBytes) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kBufferBytes,
                 sizeof kBufferBytes) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
          0) {
    Fail("interface " + interface);
  }
}

std::optional<std::vector<uint8_t>> PacketPort::Receive() {
  uint8_t buffer[kFrameMax];
  const ssize_t size =
      recv(socket_.get(), buffer, sizeof buffer, MSG_TRUNC | MSG_DONTWAIT);
  // An interface that is set down says ENETDOWN once, and comes back.
  if (size < 0 || static_cast<size_t>(size) > sizeof buffer) {
    return std::nullopt;
  }
  return std::vector<uint8_t>(buffer, buffer + size);
}

bool PacketPort::Send(const std::vector<uint8_t>& frame) {
  return send(socket_.get(), frame.data(), frame.size(), MSG_DONTWAIT) ==
         static_cast<ssize_t>(frame.size());
}

void DisableOffloads(const std::string& interface) {
  const ScopedFd control(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  for (const uint32_t command :
       {ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM}) {
    ethtool_value off = {.cmd = command, .data = 0};
    ifreq request = {};
    interface.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&off);
    if (ioctl(control.get(), SIOCETHTOOL, &request) != 0) {
      Fail("offloads of " + interface);
    }
  }
}

}  // namespace ft::chaos
