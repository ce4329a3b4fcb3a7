// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sparse_copy.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "logchannel/scoped_fd.h"

namespace ft {
namespace {

Status Failed(const std::string& path) {
  return Status::Failed(path + ": " + std::strerror(errno));
}

// Copies [begin, end); both files at the same place. Not copy_file_range():
// from a disk to a tmpfs it does not go.
bool CopyPart(int from, int to, off_t begin, off_t end) {
  if (lseek(to, begin, SEEK_SET) != begin) return false;
  while (begin < end) {
    const auto size = static_cast<size_t>(end - begin);
    if (sendfile(to, from, &begin, size) <= 0) return false;
  }
  return true;
}

}  // namespace

Status CopySparse(const std::string& source, const std::string& target) {
  const ScopedFd from(open(source.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info = {};
  if (from.get() < 0 || fstat(from.get(), &info) != 0) return Failed(source);
  const ScopedFd to(
      open(target.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (to.get() < 0 || ftruncate(to.get(), info.st_size) != 0) {
    return Failed(target);
  }
  for (off_t end = 0;;) {
    const off_t begin = lseek(from.get(), end, SEEK_DATA);
    if (begin < 0) return errno == ENXIO ? Status::Ok() : Failed(source);
    end = lseek(from.get(), begin, SEEK_HOLE);
    if (!CopyPart(from.get(), to.get(), begin, end)) return Failed(target);
  }
}

}  // namespace ft
