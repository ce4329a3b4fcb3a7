// SPDX-License-Identifier: GPL-2.0-or-later
//
// ServiceConfig: what a storage host is told, one TOML file.
//
//     listen = "10.0.0.5:10809"      or the path of a Unix socket
//     state_dir = "/var/lib/lockstep-disks"
//
//     [disks.vm1-root]
//     path = "/dev/vg0/vm1-root"     a raw image or a block device
//     vm = "vm1"                     whose record says who writes it
//
// docs/disk-service.example.toml shows every key.
#pragma once

#include <string>
#include <vector>

#include "logchannel/status.h"
#include "shared-disk/disk_service.h"

namespace ft::shared_disk {

struct ServiceConfig {
  // "ADDRESS:PORT", or an absolute path.
  std::string listen;
  // nbdkit's own program.
  std::string nbdkit = "/usr/bin/nbdkit";
  // lockstep_disk_plugin.so; empty means beside the program that asks.
  std::string plugin;
  ServiceOptions service;
};

// Unknown keys, wrong types and impossible values are kInvalid and name the
// line. Touches nothing but the file.
Result<ServiceConfig> LoadServiceConfig(const std::string& path);
// The same from text; `name` stands for the file in errors.
Result<ServiceConfig> ParseServiceConfig(const std::string& text,
                                         const std::string& name);

// nbdkit and its arguments.
std::vector<std::string> NbdkitCommand(const ServiceConfig& config);

}  // namespace ft::shared_disk
