// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/vm_devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "logchannel/scoped_fd.h"
#include "replay/iscsi_disk.h"
#include "replay/name_rules.h"
#include "replay/nbd_disk.h"

namespace ft::replay {
namespace {

constexpr size_t kInterfaceNameMax = 15;  // IFNAMSIZ - 1
// The first bytes of every qcow2 image.
constexpr char kQcow2Magic[] = {'Q', 'F', 'I', '\xfb'};

bool IsUnicastMac(const std::string& text) {
  // The second digit's low bit marks a multicast address.
  return HasShape(text, "hh:hh:hh:hh:hh:hh") &&
         std::string("02468ace").find(text[1]) != std::string::npos;
}

Status NotOneOf(const std::string& what, const std::string& value,
                const std::string& one, const std::string& other) {
  if (value == one || value == other) return Status::Ok();
  return Status::Invalid(what + " \"" + value + "\" is not supported",
                         "use \"" + one + "\" or \"" + other + "\"");
}

// What no host has as a file or device of its own.
bool IsAtService(const std::string& path) {
  return IsNbdPath(path) || IsIscsiPath(path);
}

bool IsPathCharacter(unsigned char c) { return c >= 0x20 && c != 0x7f; }

Status ValidatePath(const std::string& which, const std::string& path) {
  if (IsAtService(path)) {
    const Status status = IsNbdPath(path) ? ParseNbdPath(path).status()
                                          : ParseIscsiPath(path).status();
    if (status.ok()) return status;
    return Status::Invalid(which + status.message(), status.remedy());
  }
  if (path.size() > 1 && path[0] == '/' && path.back() != '/' &&
      std::all_of(path.begin(), path.end(), IsPathCharacter)) {
    return Status::Ok();
  }
  return Status::Invalid(
      which + "path \"" + path + "\" is not the absolute path of an image",
      "begin it with '/': both hosts open it under the same path");
}

Status WrongKind(const std::string& path, bool device) {
  return Status::Invalid(
      "disk " + path + " is no " + (device ? "block device" : "image file"),
      device ? "name a block device, or keep image files outside /dev"
             : "name an image file, or a block device by its path in /dev");
}

Status CheckFormat(const Disk& disk, int fd) {
  char head[sizeof kQcow2Magic] = {};
  const bool qcow2 =
      pread(fd, head, sizeof head, 0) == static_cast<ssize_t>(sizeof head) &&
      std::memcmp(head, kQcow2Magic, sizeof head) == 0;
  if (qcow2 == (disk.format == kQcow2)) return Status::Ok();
  return Status::Invalid(
      "disk " + disk.path + " is " + (qcow2 ? "qcow2" : "not qcow2"),
      std::string("set format = \"") + (qcow2 ? kQcow2 : kRaw) + "\"");
}

}  // namespace

bool IsDevicePath(const std::string& path) {
  return path.starts_with("/dev/") && !path.starts_with("/dev/shm/");
}

Status ValidateNic(const Nic& nic, size_t index) {
  const std::string which = "nic " + std::to_string(index) + ": ";
  auto model = NotOneOf(which + "model", nic.model, kVirtioNet, kE1000);
  if (!model.ok()) return model;
  if (!IsUnicastMac(nic.mac)) {
    return Status::Invalid(
        which + "mac \"" + nic.mac + "\" is no unicast address",
        "write it as six lower-case hex pairs, like 52:54:00:12:34:56");
  }
  if (!IsName(nic.bridge, kInterfaceNameMax)) {
    return Status::Invalid(
        which + "bridge \"" + nic.bridge + "\" is no interface name",
        "name a bridge of the host");
  }
  return Status::Ok();
}

Status ValidateDisk(const Disk& disk, size_t index) {
  const std::string which = "disk " + std::to_string(index) + ": ";
  Status status = ValidatePath(which, disk.path);
  if (status.ok()) {
    status = NotOneOf(which + "format", disk.format, kRaw, kQcow2);
  }
  if (status.ok()) {
    status = NotOneOf(which + "bus", disk.bus, kVirtioBlk, kVirtioScsi);
  }
  if (status.ok()) {
    status = NotOneOf(which + "mode", disk.mode, kShared, kPrivate);
  }
  if (status.ok()) {
    status =
        NotOneOf(which + "reads", disk.reads, kReadsFromLog, kReadsByBackup);
  }
  if (status.ok() && disk.reads == kReadsByBackup && disk.mode != kShared) {
    return Status::Invalid(which + "reads \"backup\" is for shared disks",
                           "leave it out: both hosts read a private disk");
  }
  if (status.ok() && disk.format == kQcow2) {
    return Status::Invalid(
        which +
            (disk.mode == kPrivate
                 ? "qcow2 is not replicated: replicas are compared and copied "
                   "as raw images"
                 : "qcow2 is not replicated: a backup would go live with "
                   "stale metadata"),
        "convert the image (qemu-img convert -O raw) and set format = \"raw\"");
  }
  if (status.ok() && disk.mode == kPrivate && IsAtService(disk.path)) {
    return Status::Invalid(
        which + "a disk at " +
            (IsNbdPath(disk.path) ? "a disk service" : "an iSCSI target") +
            " cannot be private",
        "set mode = \"shared\", or name an image file of each host");
  }
  return status;
}

Status CheckDisk(const Disk& disk) {
  if (IsAtService(disk.path)) return Status::Ok();
  const ScopedFd fd(
      open(disk.path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0 && errno != EISDIR) {
    return Status::Invalid("disk " + disk.path + ": " + std::strerror(errno),
                           "correct path in the VM file, or make the image");
  }
  struct stat info = {};
  const bool device = IsDevicePath(disk.path);
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0 ||
      !(device ? S_ISBLK(info.st_mode) : S_ISREG(info.st_mode))) {
    return WrongKind(disk.path, device);
  }
  return CheckFormat(disk, fd.get());
}

Result<uint64_t> DiskBytes(const Disk& disk) {
  const ScopedFd fd(
      open(disk.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  // Of a block device, too.
  const off_t end = fd.get() < 0 ? -1 : lseek(fd.get(), 0, SEEK_END);
  if (end < 0) {
    return Status::Invalid("disk " + disk.path + ": " + std::strerror(errno),
                           "correct path in the VM file, or make the image");
  }
  if (end == 0) {
    return Status::Invalid("disk " + disk.path + " is empty",
                           "make it as large as the guest's disk shall be");
  }
  return static_cast<uint64_t>(end);
}

}  // namespace ft::replay
