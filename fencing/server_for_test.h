// SPDX-License-Identifier: GPL-2.0-or-later
//
// ServerForTest: a real server that a test starts, kills, stops and
// continues. It listens on the loopback, writes what it has to say to a
// file, and dies with the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ft::fencing {

// A port of the loopback that nobody listens at, at this moment.
uint16_t FreePort();

class ServerForTest {
 public:
  // `argv` is what Start runs; the server is ready when `port` takes
  // connections.
  ServerForTest(std::vector<std::string> argv, uint16_t port,
                std::string log_path);
  ~ServerForTest();
  ServerForTest(const ServerForTest&) = delete;
  ServerForTest& operator=(const ServerForTest&) = delete;

  // Waits until it is ready; FT_CHECK with its log if it ends instead.
  void Start();
  // As by a power cut, and waits for its end.
  void Kill();
  // SIGSTOP, SIGCONT.
  void Stop();
  void Continue();

 private:
  const std::vector<std::string> argv_;
  const uint16_t port_;
  const std::string log_path_;
  pid_t pid_ = -1;
};

}  // namespace ft::fencing
