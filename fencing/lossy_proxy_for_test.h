// SPDX-License-Identifier: GPL-2.0-or-later
//
// LossyProxyForTest: a TCP proxy on the loopback, with a thread of its own,
// that loses replies at will: a request that `is_change` recognises is handed
// to the server, the server's reply is awaited and thrown away, and the
// client finds its connection closed. What the client asked for is done, and
// it does not know.
//
// `is_change` looks at what came in one piece from the client; clients here
// have one request under way at a time, which comes whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "logchannel/scoped_fd.h"

namespace ft::fencing {

class LossyProxyForTest {
 public:
  using IsChange = std::function<bool(std::string_view bytes)>;

  LossyProxyForTest(uint16_t server_port, IsChange is_change);
  ~LossyProxyForTest();
  LossyProxyForTest(const LossyProxyForTest&) = delete;
  LossyProxyForTest& operator=(const LossyProxyForTest&) = delete;

  uint16_t port() const { return port_; }
  void LoseReplies(int count) { to_lose_.store(count); }

 private:
  // One client and its connection to the server.
  struct Pair {
    ScopedFd client = ScopedFd();
    ScopedFd server = ScopedFd();
    // A change went to the server, and its reply will not come back.
    bool losing = false;
  };

  void Main();
  bool Forward(Pair& pair, bool from_client, bool from_server);
  void Accept(std::vector<Pair>& pairs);

  const uint16_t server_port_;
  const IsChange is_change_;
  uint16_t port_ = 0;
  ScopedFd listener_;
  std::atomic<int> to_lose_{0};
  // Readable when the thread is to end.
  ScopedFd stop_read_, stop_write_;
  std::jthread thread_;
};

}  // namespace ft::fencing
