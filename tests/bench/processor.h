// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which processor a process runs on: two hosts on one machine have one each.
#pragma once

#include <sys/types.h>

#include "logchannel/status.h"

namespace ft::bench {

// All threads of `pid`, and those that they will start, on the allowed
// processor number `index`, counted from 0. Failed, with the reason, where
// there is none of that number or the process is gone.
Status BindToProcessor(pid_t pid, int index);

}  // namespace ft::bench
