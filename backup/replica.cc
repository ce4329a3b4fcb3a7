// SPDX-License-Identifier: GPL-2.0-or-later
#include "backup/replica.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "logchannel/scoped_fd.h"
#include "replay/replica_checksums.h"

namespace ft::backup {
namespace fs = std::filesystem;

namespace {

bool IsMissing(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) != 0 && errno == ENOENT;
}

Status CheckCanBeMade(const Replica& replica) {
  const std::string& path = replica.image.path;
  if (replay::IsDevicePath(path)) {
    return Status::Invalid("disk " + path + " is missing",
                           "make a block device of " +
                               std::to_string(replica.bytes) +
                               " bytes there, or choose another backup host");
  }
  const std::string directory = fs::path(path).parent_path();
  std::error_code ignored;
  if (fs::is_directory(directory, ignored)) return Status::Ok();
  return Status::Invalid(
      "disk " + path + ": there is no directory " + directory,
      "make or mount it, so that a replica can be made there");
}

Status CheckReplica(const Replica& replica) {
  const std::string& path = replica.image.path;
  if (replica.bytes == 0) {
    return Status::Invalid("Hello without the size of private disk " + path);
  }
  if (IsMissing(path)) return CheckCanBeMade(replica);
  Status usable = replay::CheckDisk(replica.image);
  if (!usable.ok()) return usable;
  const ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  Status size = replay::CheckImageBytes(path, fd.get(), replica.bytes);
  if (size.ok()) return size;
  return Status::Invalid(
      size.message(),
      replay::IsDevicePath(path)
          ? "make it of equal size, or choose another backup host"
          : "move it away there (a missing replica is made), or choose "
            "another backup host");
}

// 0 or errno.
int MakeImage(const std::string& path, uint64_t bytes) {
  const ScopedFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno;
  int error = 0;
  if (ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      fsync(fd.get()) != 0) {
    error = errno;
  }
  const std::string directory = fs::path(path).parent_path();
  const ScopedFd parent(
      open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (error == 0 && (!parent.valid() || fsync(parent.get()) != 0)) {
    error = errno;
  }
  if (error != 0) unlink(path.c_str());
  return error;
}

}  // namespace

std::vector<Replica> ReplicasOf(const logchannel::wire::VmDefinition& vm) {
  std::vector<Replica> replicas;
  for (int i = 0; i < vm.disks_size(); ++i) {
    const auto& disk = vm.disks(i);
    if (disk.mode() != replay::kPrivate) continue;
    replicas.push_back({.disk = static_cast<uint32_t>(i),
                        .image = {.path = disk.path(),
                                  .format = disk.format(),
                                  .bus = disk.bus(),
                                  .mode = disk.mode()},
                        .bytes = disk.size_bytes()});
  }
  return replicas;
}

Status CheckReplicas(const std::vector<Replica>& replicas) {
  for (const Replica& replica : replicas) {
    Status status = CheckReplica(replica);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Result<std::vector<std::string>> MakeMissing(
    const std::vector<Replica>& replicas) {
  std::vector<std::string> made;
  for (const Replica& replica : replicas) {
    const std::string& path = replica.image.path;
    if (!IsMissing(path)) continue;
    const int error = MakeImage(path, replica.bytes);
    if (error == 0) {
      made.push_back(path);
      continue;
    }
    for (const std::string& earlier : made) unlink(earlier.c_str());
    return Status::Unavailable(
        "disk " + path + " of " + std::to_string(replica.bytes) +
            " bytes cannot be made: " + std::strerror(error),
        "make room, or choose another backup host");
  }
  return made;
}

}  // namespace ft::backup
