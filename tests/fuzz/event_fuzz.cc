// SPDX-License-Identifier: GPL-2.0-or-later
//
// events.jsonl: what ftd reads at its start, a line that may be torn.
//
// Promised: no event or one that is written and read again as the same, and
// whose time can be shown.
#include "host/event_log.h"
#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::host {

FT_FUZZ_TARGET(event, input) {
  Event event;
  if (!FromJsonLine(std::string(fuzz::AsText(input)), &event)) return;
  const std::string line = ToJsonLine(event);
  FT_CHECK(line.find('\n') == std::string::npos) << line;
  Event again;
  FT_CHECK(FromJsonLine(line, &again)) << line;
  FT_CHECK(again.wall_clock_ms == event.wall_clock_ms && again.vm == event.vm &&
           again.epoch == event.epoch && again.kind == event.kind &&
           again.text == event.text)
      << line;
}

}  // namespace ft::host
