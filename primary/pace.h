// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pace: how much the primary is slowed down so that the backup keeps up
// (VMware FT section 2.4). A backup that is behind at a failover has to
// replay what it lacks before it can go live, so the execution lag is a part
// of the blackout.
//
// Proportional, without memory: nothing up to kPaceFreeLag, then a share of
// rest that grows with the lag, up to FT_RING_PACE_MAX at kPaceFullLag. A
// backup that runs at a fraction f of its primary's speed settles where the
// share is 1 - f; a hiccup costs only while it lasts.
#pragma once

#include <chrono>
#include <cstdint>

namespace ft::primary {

// What two well-matched hosts never reach, and a loaded one now and then.
constexpr std::chrono::milliseconds kPaceFreeLag{10};
// Half of the lag that the design allows under load (100 ms).
constexpr std::chrono::milliseconds kPaceFullLag{60};

// Permille of the time that the vCPU rests, for LogRing::SetPace().
uint32_t PacePermille(double execution_lag_ms);

}  // namespace ft::primary
