// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/frame_counter.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netpacket/packet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tests/system/child_process.h"
#include "tests/system/name_space.h"
#include "tests/system/testbed.h"

namespace ft::bed {
namespace {

constexpr int kReceiveBytes = 8 << 20;

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += "0123456789abcdef"[bytes[i] >> 4];
    text += "0123456789abcdef"[bytes[i] & 15];
  }
  return text;
}

}  // namespace

ScopedFd ListenToFrames(const std::string& name_space,
                        const std::string& port) {
  const InNamespace there(name_space);
  // Of no protocol until it is bound: else it would hear every port between.
  ScopedFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
              port);
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(port.c_str()));
  const bool bound = fd.valid() && (port.empty() || address.sll_ifindex != 0) &&
                     setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE,
                                &kReceiveBytes, sizeof kReceiveBytes) == 0 &&
                     bind(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                          sizeof address) == 0;
  if (bound) return fd;
  throw BedError("cannot listen on " + port + ": " + strerror(errno));
}

int PortIndex(const std::string& name_space, const std::string& port) {
  const InNamespace there(name_space);
  return static_cast<int>(if_nametoindex(port.c_str()));
}

FrameCounter::FrameCounter(const Network& network, Side side)
    : socket_(ListenToFrames(network.SwitchNamespace(),
                             Network::Port(side, Cable::kUplink))) {}

int FrameCounter::Count() {
  ether_addr guest = {};
  ether_aton_r(kGuestMac, &guest);
  std::array<unsigned char, 2048> frame;
  for (;;) {
    sockaddr_ll from = {};
    socklen_t length = sizeof from;
    const ssize_t size = recvfrom(socket_.get(), frame.data(), frame.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0 && errno == ENOBUFS) continue;
    if (size < 0) return count_;
    // What the switch sends to the host is not of the host.
    if (from.sll_pkttype == PACKET_OUTGOING || size < ETH_HLEN) continue;
    if (memcmp(frame.data() + ETH_ALEN, &guest, ETH_ALEN) != 0) continue;
    if (count_++ == 0) first_ = Hex(frame.data(), static_cast<size_t>(size));
  }
}

}  // namespace ft::bed
