// SPDX-License-Identifier: GPL-2.0-or-later
//
// What other hypervisors' VMs have and a replayed VM cannot, and what an
// operator writes instead. A VM is replayed instruction for instruction, so
// what is not known to be deterministic is refused by name, at define: better
// than a divergence at night. The same list is in docs/operations.md. Pure.
#pragma once

#include <span>
#include <string>

namespace ft::host {

struct RefusedDevice {
  // Lower case. Matched anywhere in what was written, in the order of the
  // table: "vhost-net-pci" is a vhost.
  const char* word;
  // The rest of "vm1: device vhost-net ..."
  const char* why;
  // A remedy, as in Status.
  const char* instead;
};

std::span<const RefusedDevice> RefusedDevices();

// The row for what an operator wrote, in any case and with '_' for '-'; the
// last row, which has no word, for what nobody has heard of.
const RefusedDevice& RefusalOf(const std::string& written);

}  // namespace ft::host
