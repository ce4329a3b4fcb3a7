// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/lossy_proxy_for_test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "logchannel/check.h"

namespace ft::fencing {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// What is there to read; empty at the end of the connection.
std::string_view Receive(int fd, std::vector<char>& buffer) {
  const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
  return {buffer.data(), n > 0 ? static_cast<size_t>(n) : 0};
}

}  // namespace

LossyProxyForTest::LossyProxyForTest(uint16_t server_port, IsChange is_change)
    : server_port_(server_port),
      is_change_(std::move(is_change)),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  int ends[2];
  FT_CHECK(bind(listener_.get(), name, size) == 0 &&
           getsockname(listener_.get(), name, &size) == 0 &&
           listen(listener_.get(), 64) == 0 && pipe2(ends, O_CLOEXEC) == 0)
      << "proxy";
  port_ = ntohs(address.sin_port);
  stop_read_ = ScopedFd(ends[0]);
  stop_write_ = ScopedFd(ends[1]);
  thread_ = std::jthread([this] { Main(); });
}

LossyProxyForTest::~LossyProxyForTest() {
  stop_write_.Reset();
  thread_.join();
}

// What came from either side goes to the other; false at the end of the pair.
bool LossyProxyForTest::Forward(Pair& pair, bool from_client,
                                bool from_server) {
  std::vector<char> buffer(1 << 18);
  if (from_client) {
    const auto bytes = Receive(pair.client.get(), buffer);
    if (is_change_(bytes) && to_lose_.load() > 0) {
      to_lose_.fetch_sub(1);
      pair.losing = true;
    }
    if (bytes.empty() || !SendAll(pair.server.get(), bytes)) return false;
  }
  if (!from_server) return true;
  const auto bytes = Receive(pair.server.get(), buffer);
  return !bytes.empty() && !pair.losing && SendAll(pair.client.get(), bytes);
}

void LossyProxyForTest::Accept(std::vector<Pair>& pairs) {
  const int on = 1;
  Pair pair;
  pair.client =
      ScopedFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  pair.server = ScopedFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  for (int fd : {pair.client.get(), pair.server.get()}) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const sockaddr_in address = Loopback(server_port_);
  if (connect(pair.server.get(), reinterpret_cast<const sockaddr*>(&address),
              sizeof address) == 0) {
    pairs.push_back(std::move(pair));
  }
}

void LossyProxyForTest::Main() {
  std::vector<Pair> pairs;
  for (;;) {
    std::vector<pollfd> polled = {{stop_read_.get(), POLLIN, 0},
                                  {listener_.get(), POLLIN, 0}};
    for (const Pair& pair : pairs) {
      polled.push_back({pair.client.get(), POLLIN, 0});
      polled.push_back({pair.server.get(), POLLIN, 0});
    }
    if (poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[0].revents != 0) return;
    for (size_t i = pairs.size(); i-- > 0;) {
      const bool open = Forward(pairs[i], polled[2 + 2 * i].revents != 0,
                                polled[3 + 2 * i].revents != 0);
      if (!open) pairs.erase(pairs.begin() + static_cast<long>(i));
    }
    if (polled[1].revents != 0) Accept(pairs);
  }
}

}  // namespace ft::fencing
