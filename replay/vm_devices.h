// SPDX-License-Identifier: GPL-2.0-or-later
//
// The devices of a VM that an operator may choose: NICs, disks, a display
// adapter, a tablet. What is not here is the same in every VM (one vCPU, PCI
// bridge, RTC, PS/2 keyboard and mouse, one serial port) or refused
// (host/refused_devices.h). Pure data.
#pragma once

#include <cstddef>
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

struct Disk {
  // Absolute, the same on both hosts: a block device if IsDevicePath(), else
  // an image file. Not measured: its content changes.
  std::string path;
  std::string format = kRaw;
  std::string bus = kVirtioBlk;
  // shared: one image that both hosts reach; only the live side touches it.
  // private: each host has its own copy, and does all I/O.
  std::string mode = kShared;

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
// that its path says, and in the format that was said. kInvalid otherwise.
Status CheckDisk(const Disk& disk);

}  // namespace ft::replay
