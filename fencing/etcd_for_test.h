// SPDX-License-Identifier: GPL-2.0-or-later
//
// EtcdForTest: a real etcd of one member, for tests, with its data in memory.
#pragma once

#include <cstdint>
#include <string>

#include "fencing/scratch_directory.h"
#include "fencing/server_for_test.h"

namespace ft::fencing {

class EtcdForTest {
 public:
  // Started, and elected. With `tls` both sides show certificates.
  explicit EtcdForTest(bool tls = false);

  // Starts it again, and waits until it decides.
  void Start();
  ServerForTest& server() { return server_; }
  uint16_t port() const { return port_; }
  std::string url() const { return Url(port_); }
  // The same member by another port, as a proxy's.
  static std::string Url(uint16_t port);
  // ca.pem, cert.pem, key.pem of both sides, with `tls`.
  std::string File(const std::string& name) const {
    return scratch_.path() / name;
  }

 private:
  std::vector<std::string> Argv() const;

  ScratchDirectory scratch_;
  const bool tls_;
  const uint16_t port_ = FreePort();
  ServerForTest server_;
};

}  // namespace ft::fencing
