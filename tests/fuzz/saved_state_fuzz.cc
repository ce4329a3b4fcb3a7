// SPDX-License-Identifier: GPL-2.0-or-later
//
// state.json: what ftd reads of a VM after its own death, from a disk that may
// have suffered.
//
// Promised: nothing or a state; what is read and written again is the same,
// and stays the same.
#include "host/state_store.h"
#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::host {

FT_FUZZ_TARGET(saved_state, input) {
  const auto state = ParseState(fuzz::AsText(input));
  if (!state) return;
  const std::string text = FormatState(*state);
  const auto again = ParseState(text);
  FT_CHECK(again.has_value()) << text;
  FT_CHECK(FormatState(*again) == text) << text;
  FT_CHECK(again->condition.epoch == state->condition.epoch);
  FT_CHECK(again->condition.peer == state->condition.peer);
  FT_CHECK(again->engine_pid == state->engine_pid);
  FT_CHECK(again->disks == state->disks);
  (void)IsoTime(state->condition.since_ms);
}

}  // namespace ft::host
