// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/frame_order.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/ether.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "tests/system/frame_counter.h"
#include "tests/system/testbed.h"

namespace ft::chaos {
namespace {

constexpr int kLookMs = 50;
// Enough of a frame to know it again: Ethernet, IP and TCP headers.
constexpr size_t kHeadBytes = 66;
constexpr size_t kStoryBytesMax = 4000;

// Lets pass what has the guest's MAC as its source, in the kernel: the
// socket sees every port of the switch.
void KeepGuestFrames(int fd) {
  ether_addr guest = {};
  ether_aton_r(bed::kGuestMac, &guest);
  const uint8_t* mac = guest.ether_addr_octet;
  const auto high =
      static_cast<uint32_t>(mac[0]) << 24 | mac[1] << 16 | mac[2] << 8 | mac[3];
  const auto low = static_cast<uint32_t>(mac[4] << 8 | mac[5]);
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ETH_ALEN),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, high, 0, 3),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, ETH_ALEN + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, low, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, kHeadBytes),
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  const sock_fprog filter = {.len = std::size(program), .filter = program};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) !=
      0) {
    throw bed::BedError(std::string("packet filter: ") + strerror(errno));
  }
}

std::string Hex(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += "0123456789abcdef"[bytes[i] >> 4];
    text += "0123456789abcdef"[bytes[i] & 15];
  }
  return text;
}

long NowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

int UplinkOf(const bed::Network& network, bed::Side side) {
  return bed::PortIndex(network.SwitchNamespace(),
                        bed::Network::Port(side, bed::Cable::kUplink));
}

}  // namespace

FrameOrder::FrameOrder(const bed::Network& network)
    : socket_(bed::ListenToFrames(network.SwitchNamespace(), "")),
      ports_{UplinkOf(network, bed::Side::kA),
             UplinkOf(network, bed::Side::kB)} {
  KeepGuestFrames(socket_.get());
  thread_ = std::jthread([this] { ListenMain(); });
}

FrameOrder::~FrameOrder() { stop_ = true; }

FrameOrder::Seen FrameOrder::Finish() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
  return seen_;
}

void FrameOrder::ListenMain() {
  while (!stop_) {
    pollfd ready = {socket_.get(), POLLIN, 0};
    poll(&ready, 1, kLookMs);
    Read();
  }
}

void FrameOrder::Read() {
  ether_addr guest = {};
  ether_aton_r(bed::kGuestMac, &guest);
  std::array<unsigned char, kHeadBytes> head;
  for (;;) {
    sockaddr_ll from = {};
    socklen_t length = sizeof from;
    const ssize_t size = recvfrom(socket_.get(), head.data(), head.size(), 0,
                                  reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0 && errno == ENOBUFS) continue;
    if (size < 0) return;
    // What the switch sends on is seen once more, on its way out.
    if (from.sll_pkttype == PACKET_OUTGOING) continue;
    int host = -1;
    if (from.sll_ifindex == ports_[0]) host = 0;
    if (from.sll_ifindex == ports_[1]) host = 1;
    // What came before the filter was in place.
    const bool of_guest = size >= ETH_HLEN &&
                          memcmp(head.data() + ETH_ALEN, &guest, ETH_ALEN) == 0;
    if (host < 0 || !of_guest) continue;
    ++seen_.frames;
    if (host == last_) continue;
    if (last_ >= 0) ++seen_.changes;
    last_ = host;
    if (seen_.story.size() > kStoryBytesMax) continue;
    seen_.story +=
        std::to_string(NowMs()) + (host == 0 ? " hostA " : " hostB ");
    seen_.story += Hex(head.data(), static_cast<size_t>(size)) + "\n";
  }
}

}  // namespace ft::chaos
