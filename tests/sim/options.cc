// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/options.h"

namespace ft::sim {
namespace {

constexpr const char* kNames[kPlantedCount] = {
    "none",
    "skip-test-and-set",
    "release-before-ack",
    "ack-after-contending",
    "forget-epoch",
    "unreachable-is-acquired",
    "no-output-lease",
    "lease-from-hearing",
    "go-live-without-draining",
};

}  // namespace

const char* Name(Planted planted) { return kNames[static_cast<int>(planted)]; }

std::optional<Planted> PlantedFromName(const std::string& name) {
  for (int i = 0; i < kPlantedCount; ++i) {
    if (name == kNames[i]) return static_cast<Planted>(i);
  }
  return std::nullopt;
}

}  // namespace ft::sim
