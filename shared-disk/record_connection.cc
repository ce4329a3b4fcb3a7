// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/record_connection.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <span>

namespace ft::shared_disk {

int RecordConnection::Read(void* data, uint32_t bytes, uint64_t offset) {
  if (!vm_.damage.ok()) return EIO;
  std::array<std::byte, kTestAndSetBytes> all = {};
  if (const auto right = vm_.fence.right()) {
    const RecordBytes record = EncodeRecord(right->record);
    std::memcpy(all.data(), record.data(), record.size());
  }
  if (offset > all.size() || bytes > all.size() - offset) return EINVAL;
  std::memcpy(data, all.data() + offset, bytes);
  return 0;
}

int RecordConnection::Write(const void* data, uint32_t bytes, uint64_t offset,
                            bool) {
  if (!vm_.damage.ok()) return EIO;
  if (bytes != kTestAndSetBytes || offset != 0) return EINVAL;
  const std::span<const std::byte, kTestAndSetBytes> both(
      static_cast<const std::byte*>(data), kTestAndSetBytes);
  const auto expected = DecodeRecord(both.first<kRecordBytes>());
  const auto wanted = DecodeRecord(both.last<kRecordBytes>());
  const bool valid = expected.ok() && wanted.ok() && wanted->has_value() &&
                     (**wanted).vm == vm_.name;
  if (!valid) {
    spdlog::warn("{}: refused {}: its write is no test-and-set", vm_.name,
                 client_);
    return EINVAL;
  }
  return TestAndSet(*expected, **wanted);
}

int RecordConnection::TestAndSet(const std::optional<Record>& expected,
                                 const Record& wanted) {
  const auto changed = vm_.fence.Change(
      [&](const std::optional<WriteRight>& now) {
        return AfterTestAndSet(now, expected, wanted);
      },
      [this](const WriteRight& next) { service_.Save(next); });
  if (!changed.ok()) {
    // Losing is no mistake; the log would only fill with it.
    spdlog::debug("{}: test-and-set of {} lost: {}", vm_.name, client_,
                  changed.status().message());
    return EPERM;
  }
  spdlog::info("{}: {} -> {}, by {}; engines of epoch {} and later may write",
               vm_.name, Describe(expected), Describe(wanted), client_,
               changed->oldest_writer);
  return 0;
}

int RecordConnection::WriteZeroes(uint32_t, uint64_t, bool, bool) {
  return EINVAL;
}

int RecordConnection::Trim(uint32_t bytes, uint64_t offset, bool) {
  if (!IsScratch(vm_.name)) return EPERM;
  if (bytes != kTestAndSetBytes || offset != 0) return EINVAL;
  service_.Forget(vm_.name);
  return 0;
}

}  // namespace ft::shared_disk
