// SPDX-License-Identifier: GPL-2.0-or-later
//
// ServiceOptions: what a disk service serves, as its plugin is told it. Pure.
#pragma once

#include <string>
#include <vector>

#include "logchannel/status.h"

namespace ft::shared_disk {

// A disk as the operator names it. It belongs to one VM, whose record says
// who may write it.
struct DiskOptions {
  std::string name;
  std::string vm;
  // A raw image file or a block device, absolute.
  std::string path;
};

struct ServiceOptions {
  // The EpochStore's directory, absolute.
  std::string state_dir;
  // Names and paths are unique. None is allowed: the service then only holds
  // records.
  std::vector<DiskOptions> disks;
};

// Everything that can be said without looking at the host.
Status Validate(const ServiceOptions& options);

}  // namespace ft::shared_disk
