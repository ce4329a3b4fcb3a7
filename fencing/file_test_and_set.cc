// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/file_test_and_set.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "fencing/file_record.h"
#include "logchannel/scoped_fd.h"

namespace ft::fencing {
namespace {

constexpr time_t kTemporaryLivesSeconds = 3600;
// A record can vanish between listing and reading only if eight newer ones
// were made in between; three times in a row is no accident.
constexpr int kReadTries = 3;

// A new, empty file that is nobody else's, to write into.
ScopedFd CreateTemporary(const std::string& directory,
                         const std::string& stem) {
  static std::atomic<uint64_t> counter{0};
  for (;;) {
    const std::string path = directory + "/." + stem + "." +
                             std::to_string(getpid()) + "." +
                             std::to_string(++counter) + ".tmp";
    ScopedFd file(
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644),
        path);
    // EEXIST: left by a process that had our number before us.
    if (file.valid() || errno != EEXIST) return file;
  }
}

bool WriteAndSync(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) text.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd) == 0;
}

// Visits the name of each file of the directory; false and errno if that
// cannot be done.
template <typename Visit>
bool ForEachName(const std::string& directory, Visit visit) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(opendir(directory.c_str()), closedir);
  if (!dir) return false;
  errno = 0;
  while (const dirent* entry = readdir(dir.get())) visit(entry->d_name);
  return errno == 0;
}

}  // namespace

FileTestAndSet::FileTestAndSet(std::string directory)
    : RecordTestAndSet({}), directory_(std::move(directory)) {}

// `error` is the errno of what failed; it decides who has to do what.
Status FileTestAndSet::Unusable(const std::string& what, int error) const {
  const std::string subject = "shared directory " + directory_;
  switch (error) {
    case ENOENT:
      return Status::Unavailable(
          subject + " does not exist",
          "create it, or mount the shared file system there");
    case ENOTDIR:
      return Status::Unavailable(subject + " is not a directory",
                                 "set shared_dir to a directory");
    case EACCES:
    case EPERM:
      return Status::Unavailable(
          subject + " is not writable by ftd (" + what + ": " +
              std::strerror(error) + ")",
          "give ftd's user write permission, on a file system with links");
    case EROFS:
      return Status::Unavailable(subject + " is mounted read-only",
                                 "mount it read-write");
    case ENOSPC:
    case EDQUOT:
      return Status::Unavailable(subject + " is full",
                                 "free some space; a record needs one block");
    default:
      return Status::Unavailable(
          subject + ": " + what + ": " + std::strerror(error),
          "check the shared file system");
  }
}

Status FileTestAndSet::Probe() {
  const ScopedFd file = CreateTemporary(directory_, "probe");
  if (!file.valid()) return Unusable("cannot create a file", errno);
  const std::string linked = file.path() + ".linked";
  Status status = Status::Ok();
  if (!WriteAndSync(file.get(), "probe\n")) {
    status = Unusable("cannot write a file", errno);
  } else if (link(file.path().c_str(), linked.c_str()) != 0) {
    status = Unusable("cannot link a file", errno);
  } else {
    status = SyncDirectory();
  }
  unlink(linked.c_str());
  unlink(file.path().c_str());
  return status;
}

Result<VmRecord> FileTestAndSet::Change(uint64_t expected_epoch,
                                        const VmRecord& wanted,
                                        const std::string& writer,
                                        Deadline deadline) {
  Result<std::optional<VmRecord>> before = Newest(wanted.vm, deadline);
  if (!before.ok()) return before.status();
  const uint64_t epoch = *before ? (*before)->epoch : 0;
  if (epoch < expected_epoch) return TooOld(wanted.vm, expected_epoch, epoch);
  if (epoch == expected_epoch) {
    if (Status s = Publish(wanted, writer); !s.ok()) return s;
  }
  // Also when the record was there before: whoever put it there may have
  // died before it was durable.
  if (Status s = SyncDirectory(); !s.ok()) return s;
  Result<std::optional<VmRecord>> newest = Newest(wanted.vm, deadline);
  if (!newest.ok()) return newest.status();
  const uint64_t now = *newest ? (*newest)->epoch : 0;
  if (now < wanted.epoch) return TooOld(wanted.vm, wanted.epoch, now);
  if (**newest == wanted) Prune(wanted);
  return **newest;
}

Status FileTestAndSet::TooOld(const std::string& vm, uint64_t expected,
                              uint64_t found) const {
  return RecordTestAndSet::TooOld(
      "shared directory " + directory_, vm, expected, found,
      "mount the shared file system that it was started with");
}

Result<std::optional<VmRecord>> FileTestAndSet::Newest(const std::string& vm,
                                                       Deadline /*deadline*/) {
  for (int i = 0; i < kReadTries; ++i) {
    Result<std::vector<uint64_t>> epochs = Epochs(vm);
    if (!epochs.ok()) return epochs.status();
    if (epochs->empty()) return std::optional<VmRecord>();
    Result<std::optional<VmRecord>> record = ReadEpoch(vm, epochs->back());
    if (!record.ok() || *record) return record;
  }
  return Status::Unavailable("shared directory " + directory_ +
                                 ": records of " + vm +
                                 " vanish while they are read",
                             "check the shared file system");
}

Result<std::vector<uint64_t>> FileTestAndSet::Epochs(const std::string& vm) {
  std::vector<uint64_t> epochs;
  if (!ForEachName(directory_, [&](std::string_view name) {
        if (const auto epoch = EpochOfName(vm, name)) epochs.push_back(*epoch);
      })) {
    return Unusable("cannot list it", errno);
  }
  std::sort(epochs.begin(), epochs.end());
  // A number that is no epoch would hide behind the real ones: no guessing.
  if (!epochs.empty() && epochs.front() == 0) {
    return Status::Unavailable("shared directory " + directory_ +
                                   " has a file of " + vm +
                                   " whose name ends in no epoch",
                               "remove it");
  }
  return epochs;
}

Result<std::optional<VmRecord>> FileTestAndSet::ReadEpoch(const std::string& vm,
                                                          uint64_t epoch) {
  const std::string path = directory_ + "/" + RecordName(vm, epoch);
  // Not to be held up by a FIFO, nor led elsewhere by a link.
  const ScopedFd file(
      open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), path);
  if (!file.valid() && errno == ENOENT) return std::optional<VmRecord>();
  if (!file.valid() && errno != ELOOP) {
    return Status::Unavailable(
        "cannot read " + path + ": " + std::strerror(errno),
        "check the shared file system");
  }
  char text[kLongestRecordText + 1];
  const ssize_t size = file.valid() ? read(file.get(), text, sizeof text) : 0;
  if (size < 0 && errno != EISDIR && errno != EAGAIN) {
    return Status::Unavailable(
        "cannot read " + path + ": " + std::strerror(errno),
        "check the shared file system");
  }
  Result<VmRecord> record = DecodeRecord(
      path, std::string_view(text, size > 0 ? static_cast<size_t>(size) : 0));
  if (!record.ok()) return record.status();
  if (record->vm != vm || record->epoch != epoch) {
    return Status::Unavailable("test-and-set record " + path + " is of " +
                                   RecordName(record->vm, record->epoch),
                               "remove the file, it was copied there");
  }
  return std::optional<VmRecord>(std::move(*record));
}

Status FileTestAndSet::Publish(const VmRecord& record,
                               const std::string& writer) {
  const ScopedFd file = CreateTemporary(directory_, record.vm + "." + writer);
  if (!file.valid()) return Unusable("cannot create a file", errno);
  Status status = Status::Ok();
  const std::string path =
      directory_ + "/" + RecordName(record.vm, record.epoch);
  if (!WriteAndSync(file.get(), EncodeRecord(record))) {
    status = Unusable("cannot write a file", errno);
  } else if (link(file.path().c_str(), path.c_str()) != 0 && errno != EEXIST) {
    status = Unusable("cannot link a file", errno);
  }
  unlink(file.path().c_str());
  return status;
}

Status FileTestAndSet::SyncDirectory() {
  const ScopedFd dir(
      open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC), directory_);
  if (!dir.valid()) return Unusable("cannot open it", errno);
  if (fsync(dir.get()) != 0) return Unusable("cannot sync it", errno);
  return Status::Ok();
}

// Failures do not matter: the next change prunes again. Ages are compared
// by the store's clock alone.
void FileTestAndSet::Prune(const VmRecord& newest) {
  struct stat ours;
  const std::string path =
      directory_ + "/" + RecordName(newest.vm, newest.epoch);
  if (stat(path.c_str(), &ours) != 0) return;
  std::vector<std::string> old;
  ForEachName(directory_, [&](std::string_view name) {
    const auto epoch = EpochOfName(newest.vm, name);
    const std::string file = directory_ + "/" + std::string(name);
    if (epoch && *epoch + kKeptRecords <= newest.epoch) old.push_back(file);
    struct stat s;
    if (name.starts_with("." + newest.vm + ".") && name.ends_with(".tmp") &&
        stat(file.c_str(), &s) == 0 &&
        s.st_mtime + kTemporaryLivesSeconds < ours.st_mtime) {
      old.push_back(file);
    }
  });
  for (const std::string& file : old) unlink(file.c_str());
}

}  // namespace ft::fencing
