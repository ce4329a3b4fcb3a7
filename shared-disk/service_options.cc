// SPDX-License-Identifier: GPL-2.0-or-later
#include "shared-disk/service_options.h"

#include <set>

#include "shared-disk/export_name.h"
#include "shared-disk/record.h"

namespace ft::shared_disk {
namespace {

Status ValidateDisk(const DiskOptions& disk) {
  // "record" would be read as the start of a record's export.
  const auto parsed = ParseExportName(disk.name);
  if (!parsed.ok() || !IsName(disk.name)) {
    return Status::Invalid("disk \"" + disk.name + "\": no name for a disk",
                           "use 1 to 63 of A-Z a-z 0-9 . _ -, not \"record\"");
  }
  if (!IsName(disk.vm)) {
    return Status::Invalid(
        "disk " + disk.name + ": vm \"" + disk.vm + "\" is no name of a VM",
        "name the VM that writes it");
  }
  if (disk.path.empty() || disk.path.front() != '/') {
    return Status::Invalid(
        "disk " + disk.name + ": \"" + disk.path + "\" is no absolute path",
        "begin it with '/'");
  }
  return Status::Ok();
}

}  // namespace

Status Validate(const ServiceOptions& options) {
  if (options.state_dir.empty() || options.state_dir.front() != '/') {
    return Status::Invalid(
        "state_dir \"" + options.state_dir + "\" is no absolute path",
        "begin it with '/'");
  }
  std::set<std::string> taken;
  for (const DiskOptions& disk : options.disks) {
    if (Status status = ValidateDisk(disk); !status.ok()) return status;
    if (!taken.insert(disk.name).second || !taken.insert(disk.path).second) {
      return Status::Invalid(
          "disk " + disk.name + " (" + disk.path + ") is there twice",
          "each disk has a name and a path of its own");
    }
  }
  return Status::Ok();
}

}  // namespace ft::shared_disk
