// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/disk_connection.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <variant>

namespace ft::shared_disk {

DiskConnection::~DiskConnection() {
  if (refused_ == 0) return;
  spdlog::warn("{}: {} from {} is gone; {} of its requests were refused",
               who_.disk, Describe(*who_.writer), who_.client, refused_.load());
}

int DiskConnection::Refuse(const char* what, Verdict verdict) {
  refused_.fetch_add(1);
  const unsigned bit = 1u << static_cast<unsigned>(verdict);
  if (logged_.fetch_or(bit) & bit) return EPERM;
  spdlog::warn("{}: refused {} from {}: {}", who_.disk, what, who_.client,
               Explain(verdict, *who_.writer, vm_.fence.right()));
  return EPERM;
}

template <typename Change>
int DiskConnection::Fenced(const char* what, bool durable, Change change) {
  if (!who_.writer) return EPERM;
  int error = 0;
  {
    const auto entered = vm_.fence.Enter(*who_.writer);
    if (const auto* verdict = std::get_if<Verdict>(&entered)) {
      return Refuse(what, *verdict);
    }
    error = change();
  }
  return error == 0 && durable ? image_.Flush() : error;
}

int DiskConnection::Read(void* data, uint32_t bytes, uint64_t offset) {
  return image_.Read(data, bytes, offset);
}

int DiskConnection::Write(const void* data, uint32_t bytes, uint64_t offset,
                          bool durable) {
  return Fenced("a write", durable,
                [&] { return image_.Write(data, bytes, offset); });
}

int DiskConnection::WriteZeroes(uint32_t bytes, uint64_t offset, bool may_trim,
                                bool durable) {
  return Fenced("zeroes", durable,
                [&] { return image_.WriteZeroes(bytes, offset, may_trim); });
}

int DiskConnection::Trim(uint32_t bytes, uint64_t offset, bool durable) {
  return Fenced("a trim", durable, [&] { return image_.Trim(bytes, offset); });
}

int DiskConnection::Flush() {
  return Fenced("a flush", true, [] { return 0; });
}

}  // namespace ft::shared_disk
