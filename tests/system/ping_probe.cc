// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/ping_probe.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/system/reply_times.h"

namespace ft::bed {
namespace {

using std::chrono::steady_clock;

// Replies that are under way when the probe ends.
constexpr std::chrono::milliseconds kLastReplies{100};

// The echo's sequence number has only 16 bits; this goes with it.
struct Echo {
  icmphdr header;
  uint32_t number;
};

uint16_t Checksum(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

// Ours among all echo replies of this namespace.
uint16_t Identifier() { return static_cast<uint16_t>(getpid()); }

}  // namespace

PingProbe::~PingProbe() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

bool PingProbe::Start(const std::string& address,
                      std::chrono::milliseconds interval) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) {
    error_ = address + " is no IPv4 address";
    return false;
  }
  socket_ = ScopedFd(
      socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP),
      "icmp " + address);
  icmp_filter filter = {};
  filter.data = ~(1u << ICMP_ECHOREPLY);
  const bool good =
      socket_.valid() &&
      setsockopt(socket_.get(), SOL_RAW, ICMP_FILTER, &filter, sizeof filter) ==
          0 &&
      connect(socket_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  if (!good) {
    error_ = "cannot ping " + address + ": " + strerror(errno);
    return false;
  }
  thread_ = std::jthread(
      [this, interval](std::stop_token stop) { Main(stop, interval); });
  return true;
}

void PingProbe::Main(std::stop_token stop, std::chrono::milliseconds interval) {
  auto next = steady_clock::now();
  while (!stop.stop_requested()) {
    Send();
    // Late is late: probes that were not sent are not sent in a burst.
    next = std::max(next + interval, steady_clock::now());
    ReceiveUntil(next);
  }
  ReceiveUntil(steady_clock::now() + kLastReplies);
}

void PingProbe::Send() {
  Echo echo = {};
  echo.number = static_cast<uint32_t>(probes_.size());
  echo.header.type = ICMP_ECHO;
  echo.header.un.echo.id = htons(Identifier());
  echo.header.un.echo.sequence = htons(static_cast<uint16_t>(echo.number));
  echo.header.checksum = Checksum(&echo, sizeof echo);
  probes_.push_back({.sent_ns = MonotonicNs()});
  // A probe that cannot even be sent (nobody answers ARP) is a lost one.
  (void)!send(socket_.get(), &echo, sizeof echo, 0);
}

void PingProbe::ReceiveUntil(steady_clock::time_point end) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(
                          end - steady_clock::now())
                          .count();
    if (left <= 0) return;
    const timespec timeout = {left / 1'000'000'000, left % 1'000'000'000};
    pollfd fd = {socket_.get(), POLLIN, 0};
    if (ppoll(&fd, 1, &timeout, nullptr) <= 0) continue;
    uint8_t packet[256];
    const ssize_t size = recv(socket_.get(), packet, sizeof packet, 0);
    if (size > 0) Note(packet, static_cast<size_t>(size));
  }
}

void PingProbe::Note(const uint8_t* packet, size_t size) {
  const size_t ip_size = (packet[0] & 15u) * 4;
  if (size < ip_size + sizeof(Echo)) return;
  Echo echo;
  memcpy(&echo, packet + ip_size, sizeof echo);
  if (echo.header.un.echo.id != htons(Identifier()) ||
      echo.number >= probes_.size()) {
    return;
  }
  Probe& probe = probes_[echo.number];
  if (probe.reply_ns != 0) {
    probe.doubled = true;
  } else {
    probe.reply_ns = MonotonicNs();
  }
}

PingFigures PingProbe::Finish() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  PingFigures figures;
  figures.sent = probes_.size();
  int64_t pause = 0;
  for (size_t i = 0; i < probes_.size(); ++i) {
    const Probe& probe = probes_[i];
    figures.lost += probe.reply_ns == 0;
    figures.doubled += probe.doubled;
    if (probe.reply_ns != 0) figures.replies_ns.push_back(probe.reply_ns);
    if (i > 0) pause = std::max(pause, probe.sent_ns - probes_[i - 1].sent_ns);
  }
  std::ranges::sort(figures.replies_ns);
  figures.longest_pause_ms = static_cast<double>(pause) / 1e6;
  return figures;
}

}  // namespace ft::bed
