// SPDX-License-Identifier: GPL-2.0-or-later
//
// Where the tests find what is built outside the tree.
#pragma once

#include <cstdint>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

// LOCKSTEP_ENGINE, or the last engine that replay/qemu/build_engine.sh built.
std::string EngineBinary();

// LOCKSTEP_SHARE, or empty: what lies beside the engine.
std::string EngineShare();

// LOCKSTEP_GUEST, or the last guest that tests/guest/build_guest.sh built:
// a directory with vmlinuz, initrd.gz and cmdline.
std::string GuestDirectory();

// LOCKSTEP_DEBIAN, or the last image that tests/guest/build_debian.sh made: an
// ext4 file system with a Debian root. For copying; it may not be there.
std::string DebianImage();

// kUnavailable, with the remedy, when one of them is not there.
Status CheckTestPaths();

// A TCP port of 127.0.0.1 that was free a moment ago.
uint16_t FreePort();

}  // namespace ft::replay
