// SPDX-License-Identifier: GPL-2.0-or-later
//
// NbdRecordClient: one connection to the record of one VM at a disk service
// (shared-disk/record.h has the bytes, docs/shared-disk.md the protocol).
//
// Nothing here waits beyond the deadline, which counts from Connect() or the
// last Restart(): a service that accepts and then says nothing is told from
// one that is gone, and both from one that refuses. After any Status the
// connection is of no use; whether a request that was under way is carried out
// is then unknown.
//
// Not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "logchannel/status.h"
#include "shared-disk/record.h"

struct nbd_handle;

namespace ft::fencing {

class NbdRecordClient {
 public:
  // `address`: "HOST:PORT", "[V6]:PORT" or the absolute path of a Unix
  // socket. kInvalid: it is neither. kUnavailable: what is wrong there.
  static Result<std::unique_ptr<NbdRecordClient>> Connect(
      const std::string& address, const std::string& vm,
      std::chrono::milliseconds deadline);
  ~NbdRecordClient();

  // A new call over this connection: its time begins now.
  void Restart() { end_ = std::chrono::steady_clock::now() + deadline_; }

  Result<std::optional<shared_disk::Record>> Read();

  // True: the record was `expected` and is `wanted`, durably, and no write
  // of an engine that lost its right by that is under way. False: it was
  // something else, and stays.
  Result<bool> TestAndSet(const std::optional<shared_disk::Record>& expected,
                          const shared_disk::Record& wanted);

  // Of a scratch VM (export_name.h): no record of it, nor of any whose name
  // goes on after a dot, is left.
  Status Erase();

 private:
  NbdRecordClient(std::string address, std::string vm,
                  std::chrono::milliseconds deadline);

  Status Open();
  // Runs the connection until `done`.
  Status Await(const std::function<bool()>& done);
  // Waits for a command; the errno that it was answered with, 0 for success.
  Result<int> Await(int64_t cookie);
  Status Hangs() const;
  // What libnbd says is wrong.
  Status Broken() const;

  const std::string address_;
  const std::string vm_;
  const std::chrono::milliseconds deadline_;
  std::chrono::steady_clock::time_point end_;
  // Under way until the handle is closed, so older than it.
  std::array<std::byte, shared_disk::kTestAndSetBytes> buffer_ = {};
  struct Close {
    void operator()(nbd_handle* handle) const;
  };
  std::unique_ptr<nbd_handle, Close> handle_;
};

}  // namespace ft::fencing
