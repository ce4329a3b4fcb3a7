// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a VM is, as far as its guest can tell. The primary and the backup must
// build the machine from equal definitions: a different UUID, MAC, memory
// size or kernel shows up in firmware tables and the replay would diverge
// before the guest's first line of output. That is why the definition travels
// in the Hello of the log channel, with the checksums of the boot files.
//
// Pure data; the functions that read files say so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logchannel/status.h"
#include "replay/vm_devices.h"

namespace ft::logchannel::wire {
class VmDefinition;
}

namespace ft::replay {

struct VmDefinition {
  // [A-Za-z0-9][A-Za-z0-9_.-]{0,62}: it becomes part of file names.
  std::string name;
  // 8-4-4-4-12 lower-case hex. UuidFromName() when the operator gave none.
  std::string uuid;
  uint32_t memory_mib = 0;
  // Absolute paths, the same on both hosts. `initrd` may be empty.
  std::string kernel;
  std::string initrd;
  std::string cmdline;
  // At most eight of each. Their order is that of their PCI slots and names.
  std::vector<Nic> nics = {};
  std::vector<Disk> disks = {};
  // kNoVideo or kVga: a display adapter; nobody sees it yet, but a guest
  // that wants a text console has one.
  std::string video = kNoVideo;
  // A USB controller with an absolute pointing device.
  bool tablet = false;
  // The serial port listens on a socket of the host and writes the console's
  // log as well; otherwise it only writes.
  bool serial_input = false;
  // Hex SHA-256 of the files; empty until MeasureBootFiles().
  std::string kernel_sha256 = {};
  std::string initrd_sha256 = {};

  bool operator==(const VmDefinition&) const = default;
};

// RFC 4122 version 5 of the name under Lockstep's own namespace: two hosts
// that never spoke derive the same one.
std::string UuidFromName(const std::string& name);

// Everything that can be said about a definition without looking at the
// host: names, ranges, MACs, devices. kInvalid names the field.
Status Validate(const VmDefinition& vm);

// Blocking, reads whole files. Fills the checksums; kInvalid when a boot file
// is missing or unreadable.
Status MeasureBootFiles(VmDefinition& vm);

// Blocking. This host's boot files against the checksums in `vm`, as a backup
// does on Hello: kInvalid "kernel PATH differs from the primary's".
Status CompareBootFiles(const VmDefinition& vm);

logchannel::wire::VmDefinition ToWire(const VmDefinition& vm);
VmDefinition FromWire(const logchannel::wire::VmDefinition& wire);

}  // namespace ft::replay
