// SPDX-License-Identifier: GPL-2.0-or-later
//
// What libFuzzer calls, around the one target of this program.
#include <cstdint>

#include "tests/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ft::fuzz::Targets().front().run(std::as_bytes(std::span(data, size)));
  return 0;
}
