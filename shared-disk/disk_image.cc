// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/disk_image.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ft::shared_disk {
namespace {

Status Unusable(const std::string& path, const std::string& why,
                const std::string& remedy) {
  return Status::Invalid("disk " + path + " " + why, remedy);
}

int Fallocate(int fd, int mode, uint32_t bytes, uint64_t offset) {
  for (;;) {
    if (fallocate(fd, mode, static_cast<off_t>(offset), bytes) == 0) return 0;
    if (errno != EINTR) return errno;
  }
}

// What a file system or device says that cannot do it.
bool IsUnsupported(int error) {
  return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL ||
         error == ENODEV || error == ENOTTY;
}

}  // namespace

Result<std::unique_ptr<DiskImage>> DiskImage::Open(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) {
    return Unusable(path,
                    std::string("cannot be opened: ") + std::strerror(errno),
                    "correct its path, or make it");
  }
  const bool device = S_ISBLK(info.st_mode);
  if (!device && !S_ISREG(info.st_mode)) {
    return Unusable(path, "is neither a file nor a block device",
                    "name a raw image or a block device");
  }
  // A block device that is mounted or somebody else's cannot be had O_EXCL.
  const int exclusive = device ? O_EXCL : 0;
  ScopedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC | exclusive), path);
  if (!fd.valid()) {
    return Unusable(path,
                    std::string("cannot be opened: ") + std::strerror(errno),
                    "it must be readable, writable and used by nobody else");
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Unusable(path, "is in use by another disk service",
                    "two services cannot fence one disk; end the other one");
  }
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  if (size <= 0) return Unusable(path, "is empty", "give the image a size");
  return std::unique_ptr<DiskImage>(
      new DiskImage(std::move(fd), static_cast<uint64_t>(size)));
}

int DiskImage::Read(void* data, uint32_t bytes, uint64_t offset) {
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t n = pread(fd_.get(), to, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    if (n == 0) return EIO;  // it has shrunk
    to += n;
    bytes -= static_cast<uint32_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

int DiskImage::Write(const void* data, uint32_t bytes, uint64_t offset) {
  if (sync_error_ != 0) return EIO;
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n =
        pwrite(fd_.get(), from, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    from += n;
    bytes -= static_cast<uint32_t>(n);
    offset += static_cast<uint64_t>(n);
  }
  return 0;
}

int DiskImage::WriteZeroes(uint32_t bytes, uint64_t offset, bool may_trim) {
  if (sync_error_ != 0) return EIO;
  int error = EOPNOTSUPP;
  if (may_trim) {
    error = Fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      bytes, offset);
  }
  if (IsUnsupported(error)) {
    error = Fallocate(fd_.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                      bytes, offset);
  }
  return IsUnsupported(error) ? EOPNOTSUPP : error;
}

int DiskImage::Trim(uint32_t bytes, uint64_t offset) {
  if (sync_error_ != 0) return EIO;
  const int error = Fallocate(
      fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, bytes, offset);
  return IsUnsupported(error) ? 0 : error;
}

int DiskImage::Flush() {
  const std::lock_guard lock(sync_mutex_);
  if (sync_error_ == 0) sync_error_ = Sync();
  return sync_error_ == 0 ? 0 : EIO;
}

int DiskImage::Sync() { return fdatasync(fd_.get()) == 0 ? 0 : errno; }

}  // namespace ft::shared_disk
