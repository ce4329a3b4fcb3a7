// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/nbd_record_client.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <span>

#include "shared-disk/export_name.h"

namespace ft::fencing {

using shared_disk::kRecordBytes;
using shared_disk::Record;

void NbdRecordClient::Close::operator()(nbd_handle* handle) const {
  nbd_close(handle);
}

NbdRecordClient::NbdRecordClient(std::string address, std::string vm,
                                 std::chrono::milliseconds deadline)
    : address_(std::move(address)),
      vm_(std::move(vm)),
      deadline_(deadline),
      handle_(nbd_create()) {
  Restart();
}

NbdRecordClient::~NbdRecordClient() = default;

Result<std::unique_ptr<NbdRecordClient>> NbdRecordClient::Connect(
    const std::string& address, const std::string& vm,
    std::chrono::milliseconds deadline) {
  std::unique_ptr<NbdRecordClient> client(
      new NbdRecordClient(address, vm, deadline));
  if (Status status = client->Open(); !status.ok()) return status;
  return client;
}

Status NbdRecordClient::Hangs() const {
  return Status::Unavailable(
      "disk service " + address_ + " does not answer within " +
          std::to_string(deadline_.count()) + " ms",
      "it or its storage hangs: look at that host, restart the service");
}

Status NbdRecordClient::Broken() const {
  const char* what = nbd_get_error();
  return Status::Unavailable(
      "disk service " + address_ + ": " + (what ? what : "is gone"),
      "start it, or correct its address; its log says what it refused");
}

Status NbdRecordClient::Open() {
  nbd_handle* const h = handle_.get();
  if (h == nullptr) return Broken();
  const std::string name =
      shared_disk::FormatExportName(shared_disk::RecordExport{vm_});
  if (nbd_set_export_name(h, name.c_str()) != 0) return Broken();
  int begun = 0;
  if (address_.starts_with('/')) {
    begun = nbd_aio_connect_unix(h, address_.c_str());
  } else {
    const size_t colon = address_.rfind(':');
    if (colon == address_.npos || colon == 0) {
      return Status::Invalid("\"" + address_ + "\" is no disk service",
                             "write HOST:PORT or the path of its socket");
    }
    std::string host = address_.substr(0, colon);
    if (host.front() == '[' && host.back() == ']') {
      host = host.substr(1, host.size() - 2);
    }
    begun = nbd_aio_connect_tcp(h, host.c_str(),
                                address_.substr(colon + 1).c_str());
  }
  if (begun != 0) return Broken();
  return Await([h] { return nbd_aio_is_ready(h) == 1; });
}

Status NbdRecordClient::Await(const std::function<bool()>& done) {
  using Clock = std::chrono::steady_clock;
  nbd_handle* const h = handle_.get();
  while (!done()) {
    if (nbd_aio_is_dead(h) == 1 || nbd_aio_is_closed(h) == 1) return Broken();
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    if (left.count() <= 0) return Hangs();
    if (nbd_poll(h, static_cast<int>(left.count())) < 0) return Broken();
  }
  return Status::Ok();
}

Result<int> NbdRecordClient::Await(int64_t cookie) {
  if (cookie < 0) return Broken();
  nbd_handle* const h = handle_.get();
  const auto id = static_cast<uint64_t>(cookie);
  int state = 0;
  const Status status = Await([&] {
    state = nbd_aio_command_completed(h, id);
    return state != 0;
  });
  if (!status.ok()) return status;
  if (state > 0) return 0;
  const int error = nbd_get_errno();
  // A command that was under way when the connection broke fails, too.
  if (nbd_aio_is_ready(h) != 1) return Broken();
  return error == 0 ? EIO : error;
}

Result<std::optional<Record>> NbdRecordClient::Read() {
  auto answer = Await(nbd_aio_pread(handle_.get(), buffer_.data(), kRecordBytes,
                                    0, NBD_NULL_COMPLETION, 0));
  if (!answer.ok()) return answer.status();
  const Status damaged = Status::Unavailable(
      "record of " + vm_ + " at disk service " + address_ + " is damaged",
      "its log says how; docs/shared-disk.md says what to do");
  if (*answer != 0) return damaged;
  auto record =
      shared_disk::DecodeRecord(std::span(buffer_).first<kRecordBytes>());
  if (!record.ok() || (*record && (*record)->vm != vm_)) return damaged;
  return record;
}

Result<bool> NbdRecordClient::TestAndSet(const std::optional<Record>& expected,
                                         const Record& wanted) {
  const auto before = EncodeRecord(expected);
  const auto after = shared_disk::EncodeRecord(wanted);
  std::ranges::copy(before, buffer_.begin());
  std::ranges::copy(after, buffer_.begin() + kRecordBytes);
  auto answer =
      Await(nbd_aio_pwrite(handle_.get(), buffer_.data(), buffer_.size(), 0,
                           NBD_NULL_COMPLETION, 0));
  if (!answer.ok()) return answer.status();
  if (*answer == 0) return true;
  if (*answer == EPERM) return false;
  return Status::Unavailable("disk service " + address_ +
                                 " does not carry out the test-and-set of " +
                                 vm_,
                             "its log says why");
}

Status NbdRecordClient::Erase() {
  auto answer = Await(nbd_aio_trim(handle_.get(), shared_disk::kTestAndSetBytes,
                                   0, NBD_NULL_COMPLETION, 0));
  if (!answer.ok()) return answer.status();
  if (*answer == 0) return Status::Ok();
  return Status::Unavailable(
      "disk service " + address_ + " does not erase " + vm_,
      "its log says why");
}

}  // namespace ft::fencing
