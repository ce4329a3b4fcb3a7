// SPDX-License-Identifier: GPL-2.0-or-later
//
// The devices of a VM that an operator may choose: NICs, disks, a display
// adapter, a tablet. What is not here is the same in every VM (one vCPU, PCI
// bridge, RTC, PS/2 keyboard and mouse, one serial port) or refused
// (host/refused_devices.h). Pure data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

// Values of Nic::model.
inline constexpr char kVirtioNet[] = "virtio-net";
inline constexpr char kE1000[] = "e1000";

struct Nic {
  // Six hex pairs, lower case, colons; unicast.
  std::string mac;
  std::string model = kVirtioNet;
  // A Linux bridge of the host; the same name on both hosts.
  std::string bridge;

  bool operator==(const Nic&) const = default;
};

// Values of Disk::format, bus and mode.
inline constexpr char kRaw[] = "raw";
inline constexpr char kQcow2[] = "qcow2";
inline constexpr char kVirtioBlk[] = "virtio-blk";
inline constexpr char kVirtioScsi[] = "virtio-scsi";
inline constexpr char kShared[] = "shared";
inline constexpr char kPrivate[] = "private";
// Values of Disk::reads.
inline constexpr char kReadsFromLog[] = "log";
inline constexpr char kReadsByBackup[] = "backup";

struct Disk {
  // The same on both hosts: "nbd://HOST:PORT/DISK", a disk at a disk service
  // (nbd_disk.h), "iscsi://HOST[:PORT]/TARGET/LUN" (iscsi_disk.h), or absolute:
  // a block device if IsDevicePath(), else an image file. Not measured: its
  // content changes.
  std::string path;
  std::string format = kRaw;
  std::string bus = kVirtioBlk;
  // shared: one image that both hosts reach; only the live side touches it.
  // private: each host has its own copy under the same path, and does all
  // I/O; the backup's is a replica (replica_checksums.h).
  std::string mode = kShared;
  // Of a shared disk: log: what the guest reads travels in the log. backup:
  // the backup reads the image itself, and the primary's writes to a place
  // that was read wait until it has.
  std::string reads = kReadsFromLog;

  bool operator==(const Disk&) const = default;
};

// Values of VmDefinition::video.
inline constexpr char kNoVideo[] = "none";
inline constexpr char kVga[] = "vga";

// Whether a path is opened as a block device: what is below /dev, but for
// the file systems in memory there. Decided by name, so that both hosts
// start equal engines; CheckDisk() holds the name against the fact.
bool IsDevicePath(const std::string& path);

// kInvalid names the device by its number and the field.
Status ValidateNic(const Nic& nic, size_t index);
Status ValidateDisk(const Disk& disk, size_t index);

// Blocking. This host's image: there, readable and writable, of the kind
// that its path says, and in the format that was said. kInvalid otherwise. A
// disk at a disk service or iSCSI target is not looked at: the engine says
// what is wrong.
Status CheckDisk(const Disk& disk);

// Blocking. How large an image of this host is; kInvalid when it cannot be
// opened, or is empty.
Result<uint64_t> DiskBytes(const Disk& disk);

}  // namespace ft::replay
