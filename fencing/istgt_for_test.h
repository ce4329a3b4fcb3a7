// SPDX-License-Identifier: GPL-2.0-or-later
//
// IstgtForTest: a real iSCSI target (Debian's istgt) with one LUN, for
// tests, on a file in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fencing/scratch_directory.h"
#include "fencing/server_for_test.h"

namespace ft::fencing {

class IstgtForTest {
 public:
  struct Options {
    uint64_t bytes = 4 << 20;
    uint32_t block_size = 512;
    // As it comes: a login takes a second.
    bool slow = false;
  };

  // Started. Another LUN, "secret", asks for the name "user" and the password
  // "of twelve letters".
  IstgtForTest() : IstgtForTest(Options()) {}
  explicit IstgtForTest(const Options& options);

  ServerForTest& server() { return server_; }
  uint16_t port() const { return port_; }
  std::string url() const { return Url(port_); }
  // The same LUN by another port, as a proxy's.
  static std::string Url(uint16_t port, const std::string& name = "store");
  std::string lun_path() const { return scratch_.path() / "store.lun"; }
  std::filesystem::path directory() const { return scratch_.path(); }

 private:
  std::vector<std::string> Argv(const Options& options) const;
  void WriteLuns(uint64_t bytes) const;

  ScratchDirectory scratch_;
  const uint16_t port_ = FreePort();
  ServerForTest server_;
};

}  // namespace ft::fencing
