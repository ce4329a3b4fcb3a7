// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/uplink.h"

#include <spdlog/spdlog.h>

#include "replay/tap.h"

namespace ft::host {

bool Uplink::IsUp() {
  if (interface_.empty()) return true;
  auto now = std::chrono::steady_clock::now();
  if (now - asked_ < kFresh) return up_;
  asked_ = now;
  bool up = replay::HasCarrier(interface_);
  if (up != up_) {
    spdlog::warn("uplink {}: carrier {}", interface_, up ? "is back" : "lost");
  }
  up_ = up;
  return up;
}

}  // namespace ft::host
