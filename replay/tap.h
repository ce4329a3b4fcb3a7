// SPDX-License-Identifier: GPL-2.0-or-later
//
// The host's end of a guest NIC: a persistent tap interface, up and a port of
// a Linux bridge. ftd makes it before it starts the engine (which opens it by
// name) and deletes it after the engine has ended: deleting the tap also
// drops the bridge's memory of the guest's MAC on that port.
//
// All calls are short ioctls on this process's network namespace and need
// CAP_NET_ADMIN. Errors name the interface and the remedy.
#pragma once

#include <cstddef>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

// "ft-NAME-INDEX" when that fits in an interface name (15 bytes), else the
// name is replaced by eight hex digits of its SHA-256.
std::string TapName(const std::string& vm_name, size_t nic_index);

// kInvalid when `bridge` does not exist or is no bridge.
Status CheckBridge(const std::string& bridge);

// Creates `tap`, sets it up and adds it to `bridge`. An interface of that
// name left by a crashed ftd is deleted first; one that is no tap, or that a
// live engine has open, is refused. On any error nothing is left behind.
Status CreateTap(const std::string& tap, const std::string& bridge);

// The same without a bridge: the end of a NIC that nobody is to reach.
Status CreateLoneTap(const std::string& tap);

// Ok when there is no such interface. kFailed while an engine has it open.
Status DeleteTap(const std::string& tap);

// True when the interface exists, is up and has a carrier: an uplink through
// which somebody could be served.
bool HasCarrier(const std::string& interface);

}  // namespace ft::replay
