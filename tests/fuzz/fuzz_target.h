// SPDX-License-Identifier: GPL-2.0-or-later
//
// FT_FUZZ_TARGET: one parser and what it promises, as a function of bytes.
//
//     FT_FUZZ_TARGET(heartbeat, input) {
//       const auto heartbeat = DecodeHeartbeat(input);
//       if (!heartbeat.ok()) return ExpectRefusal(heartbeat.status());
//       FT_CHECK(...) << ...
//     }
//
// Two programs call it: libFuzzer (fuzz_main.cc; one program per target, in
// the preset fuzz) with whatever it invents, and kept_inputs_test.cc (in every
// preset) with the files of corpus/ and regressions/. A promise that is broken
// is an FT_CHECK: the process stops, which both of them notice.
//
// A target changes nothing outside the process but files of its own on tmpfs,
// and does the same for the same bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "logchannel/status.h"

namespace ft::fuzz {

using Input = std::span<const std::byte>;

struct Target {
  std::string name;
  void (*run)(Input);
};

// Those that are linked into this program.
inline std::vector<Target>& Targets() {
  static std::vector<Target> targets;
  return targets;
}

struct Registration {
  Registration(const char* name, void (*run)(Input)) {
    Targets().push_back({name, run});
  }
};

inline std::string_view AsText(Input input) {
  return {reinterpret_cast<const char*>(input.data()), input.size()};
}
inline Input AsInput(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// Whether a person can be shown it: not empty, no control characters.
bool IsOneLine(std::string_view text);

// FT_CHECKs that `status` refuses in one line, with a remedy or none, and that
// both reach the user of ftctl as they are, through JSON.
void ExpectRefusal(const Status& status);

}  // namespace ft::fuzz

#define FT_FUZZ_TARGET(name, input)                                     \
  static void RunTarget(::ft::fuzz::Input input);                       \
  static const ::ft::fuzz::Registration kRegistered(#name, &RunTarget); \
  static void RunTarget(::ft::fuzz::Input input)
