// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/vm_state.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <chrono>

namespace ft::host {
namespace {

// Indexed by the enumerators' values.
constexpr std::array<std::string_view, 3> kRoles = {"none", "primary",
                                                    "backup"};
constexpr std::array<std::string_view, 8> kStates = {
    "not-configured", "disabled",    "starting", "protected",
    "need-backup",    "unprotected", "halted",   "failed"};
constexpr std::array<std::string_view, 9> kReasons = {
    "",      "initializing", "lost-connection", "divergence",
    "lag",   "host-failure", "user-action",     "storage",
    "fenced"};

template <typename Enum, size_t kCount>
Enum FromName(const std::array<std::string_view, kCount>& names,
              std::string_view name) {
  for (size_t i = 0; i < kCount; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return static_cast<Enum>(0);
}

}  // namespace

std::string_view Name(Role role) {
  return kRoles.at(static_cast<size_t>(role));
}
std::string_view Name(State state) {
  return kStates.at(static_cast<size_t>(state));
}
std::string_view Name(Reason reason) {
  return kReasons.at(static_cast<size_t>(reason));
}

Role RoleFromName(std::string_view name) {
  return FromName<Role>(kRoles, name);
}
State StateFromName(std::string_view name) {
  return FromName<State>(kStates, name);
}
Reason ReasonFromName(std::string_view name) {
  return FromName<Reason>(kReasons, name);
}

int64_t WallClockMs() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  auto now = std::chrono::system_clock::now().time_since_epoch();
  return duration_cast<milliseconds>(now).count();
}

std::string IsoTime(int64_t wall_clock_ms) {
  // Rounded down, before 1970 as well.
  int64_t ms = (wall_clock_ms % 1000 + 1000) % 1000;
  std::time_t seconds = wall_clock_ms / 1000 - (wall_clock_ms % 1000 < 0);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), ms);
}

}  // namespace ft::host
