// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/replica_state.h"

#include <array>
#include <cstdio>

namespace ft::primary {
namespace {

struct Unit {
  const char* name;
  double bytes;
};
constexpr std::array<Unit, 5> kUnits = {{{"bytes", 1},
                                         {"KiB", 1024.0},
                                         {"MiB", 1048576.0},
                                         {"GiB", 1073741824.0},
                                         {"TiB", 1099511627776.0}}};

// The largest that leaves a whole number before the point.
const Unit& UnitFor(uint64_t bytes) {
  size_t i = kUnits.size() - 1;
  while (i > 0 && static_cast<double>(bytes) < kUnits.at(i).bytes) --i;
  return kUnits.at(i);
}

std::string NumberIn(const Unit& unit, uint64_t bytes) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), unit.bytes > 1 ? "%.1f" : "%.0f",
                static_cast<double>(bytes) / unit.bytes);
  return text.data();
}

uint64_t Percent(const ReplicaState& state) {
  if (state.total == 0) return 100;
  return static_cast<uint64_t>(static_cast<double>(state.done) * 100 /
                               static_cast<double>(state.total));
}

}  // namespace

const char* Name(ReplicaState::Stage stage) {
  return stage == ReplicaState::Stage::kReading ? "reading" : "copying";
}

std::string FormatBytes(uint64_t bytes) {
  const Unit& unit = UnitFor(bytes);
  return NumberIn(unit, bytes) + " " + unit.name;
}

std::string Describe(const ReplicaState& state) {
  const Unit& unit = UnitFor(state.total);
  std::string text = "replica of " + state.path + ": " +
                     std::to_string(Percent(state)) + " %, " +
                     NumberIn(unit, state.done) + " of " +
                     NumberIn(unit, state.total) + " " + unit.name;
  return text + (state.stage == ReplicaState::Stage::kReading
                     ? " read"
                     : ", " + FormatBytes(state.sent) + " sent");
}

}  // namespace ft::primary
