// SPDX-License-Identifier: GPL-2.0-or-later
//
// The VM file: what the operator hands to `ftctl define`, in TOML.
// docs/vm.example.toml shows every key.
//
//     name = "vm1"
//     memory_mib = 256
//     kernel = "/boot/vmlinuz"
//     initrd = "/srv/vm1/initrd.gz"
//     cmdline = "console=ttyS0"
//     [[nic]]
//     mac = "52:54:00:00:00:01"
//     bridge = "br0"
//     [[disk]]
//     path = "/srv/vm1/root.img"
//
// What is not known to be deterministic is refused by name, with what to use
// instead: refused_devices.h.
#pragma once

#include <string>

#include "logchannel/status.h"
#include "replay/vm_definition.h"

namespace ft::host {

// The definition in `text`; `name` stands for the file in errors. Looks at
// nothing but the text. A missing uuid is derived from the VM's name; the
// checksums of the boot files stay empty.
Result<replay::VmDefinition> ParseVmFile(const std::string& text,
                                         const std::string& name);

// Refuses a definition whose kernel or initrd is not a readable file here, or
// one of whose disks is no image that can be used.
Status CheckFiles(const replay::VmDefinition& vm);

// The TOML of a definition that arrived in a Hello, so that a backup's
// host can start the VM later; ParseVmFile() takes it back.
std::string FormatVmFile(const replay::VmDefinition& vm);

}  // namespace ft::host
