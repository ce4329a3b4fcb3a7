// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/etcd_test_and_set.h"

#include <utility>

#include "fencing/file_record.h"

namespace ft::fencing {

EtcdTestAndSet::EtcdTestAndSet(EtcdCluster cluster,
                               std::chrono::milliseconds timeout)
    : SwapTestAndSet("etcd at " + cluster.endpoints.at(0), timeout),
      client_(std::move(cluster)) {}

std::string EtcdTestAndSet::KeyOf(const std::string& vm) const {
  return client_.cluster().prefix + vm;
}

Result<SwapTestAndSet::Found> EtcdTestAndSet::Find(const std::string& vm,
                                                   Deadline deadline) {
  const std::string key = KeyOf(vm);
  Result<EtcdClient::Value> value = client_.Get(key, deadline);
  if (!value.ok()) return value.status();
  if (value->revision == 0) return Found{};
  Result<VmRecord> record = DecodeRecord(key + " in etcd", value->bytes);
  if (!record.ok()) return record.status();
  if (record->vm != vm) {
    return Status::Unavailable(
        "test-and-set record " + key + " in etcd is of " + record->vm,
        "remove the key, it was copied there");
  }
  return Found{
      .record = std::move(*record), .place = value->revision, .content = {}};
}

Result<bool> EtcdTestAndSet::Swap(const Found& found, const VmRecord& wanted,
                                  Deadline deadline) {
  return client_.Replace(KeyOf(wanted.vm), found.place, EncodeRecord(wanted),
                         deadline);
}

Status EtcdTestAndSet::Try(Deadline deadline) {
  return client_.Put(KeyOf(".probe"), "written by ftd\n", deadline);
}

}  // namespace ft::fencing
