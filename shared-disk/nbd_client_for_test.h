// SPDX-License-Identifier: GPL-2.0-or-later
//
// NbdClient: a connection of a test to a disk service, through libnbd. Each
// operation returns 0 or the errno that it was answered with.
#pragma once

#include <libnbd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "logchannel/check.h"
#include "shared-disk/record.h"

namespace ft::shared_disk {

class NbdClient {
 public:
  // ok() says whether the service let us in.
  NbdClient(const std::string& address, const std::string& export_name)
      : handle_(nbd_create(), nbd_close) {
    FT_CHECK(handle_ != nullptr) << nbd_get_error();
    nbd_set_export_name(h(), export_name.c_str());
    // The service itself must refuse what we should not do.
    nbd_set_strict_mode(h(), 0);
    const size_t colon = address.rfind(':');
    ok_ = (address.front() == '/'
               ? nbd_connect_unix(h(), address.c_str())
               : nbd_connect_tcp(h(), address.substr(0, colon).c_str(),
                                 address.substr(colon + 1).c_str())) == 0;
  }

  bool ok() const { return ok_; }
  bool read_only() { return nbd_is_read_only(h()) == 1; }
  int64_t size() { return nbd_get_size(h()); }

  int Write(const std::string& data, uint64_t offset, uint32_t flags = 0) {
    return Errno(nbd_pwrite(h(), data.data(), data.size(), offset, flags));
  }
  int Zero(uint64_t bytes, uint64_t offset) {
    return Errno(nbd_zero(h(), bytes, offset, 0));
  }
  int Trim(uint64_t bytes, uint64_t offset) {
    return Errno(nbd_trim(h(), bytes, offset, 0));
  }
  int Flush() { return Errno(nbd_flush(h(), 0)); }
  // The data, or the errno as text.
  std::string Read(size_t bytes, uint64_t offset) {
    std::string data(bytes, '?');
    const int error = Errno(nbd_pread(h(), data.data(), bytes, offset, 0));
    return error == 0 ? data : "errno " + std::to_string(error);
  }
  // Asks for all of it and is gone; the replies find nobody.
  static void ReadAndHangUp(std::unique_ptr<NbdClient> client, int requests,
                            size_t bytes) {
    std::string data(bytes, '?');  // all into the same; nobody looks
    for (int i = 0; i < requests; ++i) {
      nbd_aio_pread(client->h(), data.data(), bytes, 0, NBD_NULL_COMPLETION, 0);
    }
    client.reset();
  }
  // Of a record's export.
  int TestAndSet(const std::optional<Record>& expected, const Record& wanted) {
    std::string both;
    for (const RecordBytes& half :
         {EncodeRecord(expected), EncodeRecord(wanted)}) {
      both.append(reinterpret_cast<const char*>(half.data()), half.size());
    }
    return Write(both, 0);
  }

 private:
  nbd_handle* h() { return handle_.get(); }
  static int Errno(int result) {
    if (result == 0) return 0;
    const int error = nbd_get_errno();
    return error == 0 ? EIO : error;
  }

  std::unique_ptr<nbd_handle, void (*)(nbd_handle*)> handle_;
  bool ok_ = false;
};

}  // namespace ft::shared_disk
