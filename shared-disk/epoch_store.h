// SPDX-License-Identifier: GPL-2.0-or-later
//
// EpochStore: the write rights of all VMs on disk, in RocksDB.
//
//     key             value
//     "lockstep"      "epochs 1"             this is such a store
//     "vm/vm1"        256 bytes of record (record.h), then 8 of
//                     oldest_writer and 4 of CRC32C over all before
//
// A saved right is synced before Save() returns. What a crash leaves:
//     old value       nobody was told of the new one
//     new value       as if it had been answered; the contender asks again
//
// Never guesses: a directory without a store, a store that lost a file or a
// bit, or one that somebody else has open is refused in one line. A missing
// store is not an empty one, because an empty one would let every VM begin
// at epoch 1 again while the old holders still write; Create() makes one.
//
// What no store can see is that it is an older copy of itself. Hosts do: a
// record older than their own epoch is kUnreachable to them, and a writer
// younger than the record is refused.
//
// One process at a time has a store open; the lock is released when the last
// thread of that process is gone, so none of its writes can land after
// another service began. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "logchannel/status.h"
#include "shared-disk/write_right.h"

namespace rocksdb {
class DB;
}

namespace ft::shared_disk {

class EpochStore {
 public:
  // Makes `directory` and an empty store in it. kInvalid if there is one.
  static Status Create(const std::string& directory);
  static Result<std::unique_ptr<EpochStore>> Open(const std::string& directory);

  ~EpochStore();

  // All rights, by VM; for a VM whose value makes no sense a kUnavailable
  // that says what to do, the others are good. kUnavailable: the store
  // cannot be read.
  using Rights = std::map<std::string, Result<WriteRight>>;
  Result<Rights> Load();

  // Durable when it returns ok. Otherwise it may be there or not: only
  // opening the store again can tell.
  Status Save(const WriteRight& right);
  // The VM was never heard of. As durable as Save().
  Status Erase(const std::string& vm);

  const std::string& directory() const { return directory_; }

 private:
  EpochStore(std::string directory, std::unique_ptr<rocksdb::DB> db);

  const std::string directory_;
  const std::unique_ptr<rocksdb::DB> db_;
};

// The value of a right, for tests that spoil one.
std::string EncodeRight(const WriteRight& right);

}  // namespace ft::shared_disk
