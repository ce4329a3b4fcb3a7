// SPDX-License-Identifier: GPL-2.0-or-later
//
// A LUN of an iSCSI target, as a VM file names it:
//
//     path = "iscsi://10.0.0.5/iqn.2001-05.com.example:vm1/0"
//
// and as an engine opens it. Who may write to it: docs/iscsi-disks.md. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "logchannel/status.h"
#include "replay/nbd_disk.h"

namespace ft::replay {

struct IscsiDisk {
  // A name or an IPv4 address, or an IPv6 address without its brackets.
  std::string host;
  uint16_t port = 0;
  // "iqn.", "eui." or "naa." and what follows.
  std::string target;
  uint16_t lun = 0;
};

// Whether a path means an iSCSI target, good or bad.
bool IsIscsiPath(const std::string& path);

// kInvalid says what is wrong with it.
Result<IscsiDisk> ParseIscsiPath(const std::string& path);

// The name by which a host logs in, for disks and for the test-and-set.
std::string InitiatorName(const std::string& host);

// The options of QEMU's driver "iscsi" for it. Requests wait for a target that
// is being restarted.
std::string IscsiNodeOptions(const IscsiDisk& disk, const DiskWriter& writer);

}  // namespace ft::replay
