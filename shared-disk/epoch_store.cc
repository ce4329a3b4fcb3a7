// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/epoch_store.h"

#include <rocksdb/db.h>

#include <cstring>
#include <filesystem>
#include <span>

#include "logchannel/crc32c.h"

namespace ft::shared_disk {
namespace {

constexpr char kMarkerKey[] = "lockstep";
constexpr char kMarker[] = "epochs 1";
constexpr char kVmPrefix[] = "vm/";
constexpr size_t kOldestAt = kRecordBytes;
constexpr size_t kCrcAt = kOldestAt + sizeof(uint64_t);
constexpr size_t kRightBytes = kCrcAt + sizeof(uint32_t);

uint32_t CrcOf(const std::string& bytes) {
  return logchannel::Crc32c(std::as_bytes(std::span(bytes).first(kCrcAt)));
}

// A few hundred bytes per VM: what RocksDB does for speed is of no use here,
// all that it does to notice a loss is.
rocksdb::Options StoreOptions() {
  rocksdb::Options options;
  options.OptimizeForSmallDb();
  options.create_if_missing = false;
  options.paranoid_checks = true;
  // A write that was cut off by a crash is forgotten, it was not synced and
  // so not answered. Anything else wrong is refused.
  options.wal_recovery_mode =
      rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_background_jobs = 2;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 1 << 20;
  return options;
}

rocksdb::WriteOptions Synced() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

Status Damaged(const std::string& directory, const std::string& what) {
  return Status::Unavailable(
      "store of epochs " + directory + ": " + what,
      "do not make a new one while a VM runs: restore its file system, or "
      "stop the VMs on all hosts first and see docs/shared-disk.md");
}

Status NotOpened(const std::string& directory, const rocksdb::Status& status) {
  // RocksDB has no code for this.
  if (status.ToString().find("lock") != std::string::npos &&
      status.IsIOError()) {
    return Status::Unavailable(
        "store of epochs " + directory + " is in use by another process",
        "one disk service at a time; end the other one");
  }
  return Damaged(directory, status.ToString());
}

// RocksDB would leave files behind when it finds nothing to open.
Status CheckIsThere(const std::string& directory) {
  std::error_code missing;
  if (std::filesystem::is_empty(directory, missing) || missing) {
    return Status::Unavailable(
        "store of epochs " + directory + " does not exist",
        "mount it; or, if this service is new, ft-disk-service --create-store");
  }
  if (!std::filesystem::exists(directory + "/CURRENT", missing)) {
    return Damaged(directory, "has no file CURRENT");
  }
  return Status::Ok();
}

Result<WriteRight> DecodeRight(const std::string& directory,
                               const std::string& vm,
                               const std::string& value) {
  const Status damaged = Status::Unavailable(
      "record of " + vm + " in " + directory + " is damaged",
      "find out which host runs " + vm +
          ", stop it there, then see docs/shared-disk.md");
  uint32_t crc = 0;
  WriteRight right;
  if (value.size() != kRightBytes) return damaged;
  std::memcpy(&right.oldest_writer, value.data() + kOldestAt,
              sizeof right.oldest_writer);
  std::memcpy(&crc, value.data() + kCrcAt, sizeof crc);
  auto record =
      DecodeRecord(std::as_bytes(std::span(value)).first<kRecordBytes>());
  if (crc != CrcOf(value) || !record.ok() || !*record || (*record)->vm != vm ||
      right.oldest_writer > (*record)->epoch) {
    return damaged;
  }
  right.record = **record;
  return right;
}

}  // namespace

std::string EncodeRight(const WriteRight& right) {
  const RecordBytes record = EncodeRecord(right.record);
  std::string value(kRightBytes, '\0');
  std::memcpy(value.data(), record.data(), record.size());
  std::memcpy(value.data() + kOldestAt, &right.oldest_writer,
              sizeof right.oldest_writer);
  const uint32_t crc = CrcOf(value);
  std::memcpy(value.data() + kCrcAt, &crc, sizeof crc);
  return value;
}

EpochStore::EpochStore(std::string directory, std::unique_ptr<rocksdb::DB> db)
    : directory_(std::move(directory)), db_(std::move(db)) {}

EpochStore::~EpochStore() = default;

Status EpochStore::Create(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return Status::Invalid("cannot make " + directory + ": " + error.message(),
                           "choose another state_dir");
  }
  if (!std::filesystem::is_empty(directory, error) || error) {
    return Status::Invalid(directory + " is not empty, so no store was made",
                           "a service that has a store needs no new one");
  }
  rocksdb::Options options = StoreOptions();
  options.create_if_missing = true;
  options.error_if_exists = true;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(options, directory, &db);
  const std::unique_ptr<rocksdb::DB> owner(db);
  if (status.ok()) status = db->Put(Synced(), kMarkerKey, kMarker);
  if (status.ok()) return Status::Ok();
  return Status::Failed(
      "cannot make a store in " + directory + ": " + status.ToString(),
      "empty the directory and try again");
}

Result<std::unique_ptr<EpochStore>> EpochStore::Open(
    const std::string& directory) {
  if (Status s = CheckIsThere(directory); !s.ok()) return s;
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(StoreOptions(), directory, &db);
  std::unique_ptr<rocksdb::DB> owner(db);
  if (!status.ok()) return NotOpened(directory, status);
  std::string marker;
  status = owner->Get(rocksdb::ReadOptions(), kMarkerKey, &marker);
  if (!status.ok() || marker != kMarker) {
    return Damaged(directory, "is not one of this version of Lockstep");
  }
  return std::unique_ptr<EpochStore>(
      new EpochStore(directory, std::move(owner)));
}

Result<EpochStore::Rights> EpochStore::Load() {
  Rights rights;
  rocksdb::ReadOptions options;
  options.verify_checksums = true;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  for (it->Seek(kVmPrefix); it->Valid(); it->Next()) {
    if (!it->key().starts_with(kVmPrefix)) break;
    const std::string vm = it->key().ToString().substr(sizeof kVmPrefix - 1);
    rights.emplace(vm, DecodeRight(directory_, vm, it->value().ToString()));
  }
  if (!it->status().ok()) return Damaged(directory_, it->status().ToString());
  return rights;
}

Status EpochStore::Save(const WriteRight& right) {
  const rocksdb::Status status =
      db_->Put(Synced(), kVmPrefix + right.record.vm, EncodeRight(right));
  if (status.ok()) return Status::Ok();
  return Damaged(directory_, status.ToString());
}

Status EpochStore::Erase(const std::string& vm) {
  const rocksdb::Status status = db_->Delete(Synced(), kVmPrefix + vm);
  if (status.ok()) return Status::Ok();
  return Damaged(directory_, status.ToString());
}

}  // namespace ft::shared_disk
