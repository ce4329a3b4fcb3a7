// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/pace.h"

#include <algorithm>

#include "logchannel/ring_layout.h"

namespace ft::primary {

uint32_t PacePermille(double execution_lag_ms) {
  const double free = kPaceFreeLag.count();
  const double full = kPaceFullLag.count();
  const double share = (execution_lag_ms - free) / (full - free);
  return static_cast<uint32_t>(std::clamp(share, 0.0, 1.0) * FT_RING_PACE_MAX);
}

}  // namespace ft::primary
