// SPDX-License-Identifier: GPL-2.0-or-later
//
// A cosmic ray: changes guest RAM of a running engine from outside, so that
// nothing in the engine knows.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "logchannel/status.h"

namespace ft::replay {

// Turns over the lowest bit of the byte at guest-physical `address`, below
// 3 GiB, in the engine `pid` whose guest has `memory_mib` of RAM. Invalid
// when its RAM is not found among the process's mappings.
Status FlipGuestBit(pid_t pid, uint32_t memory_mib, uint64_t address);

}  // namespace ft::replay
