// SPDX-License-Identifier: GPL-2.0-or-later
//
// Uplink: whether this host could serve anybody. The agents ask in their beat
// tick and before they contend; a host whose interface to the outside has no
// carrier must not take a VM from one that has.
#pragma once

#include <chrono>
#include <string>

namespace ft::host {

class Uplink {
 public:
  // "": no interface is watched and the uplink counts as up.
  explicit Uplink(std::string interface) : interface_(std::move(interface)) {}

  // Asks the kernel at most once in kFresh; one log line per change.
  bool IsUp();

 private:
  // Below the 50 ms beat, so every tick sees its own answer; agents of many
  // VMs share it.
  static constexpr std::chrono::milliseconds kFresh{20};

  const std::string interface_;
  bool up_ = true;
  std::chrono::steady_clock::time_point asked_{};
};

}  // namespace ft::host
