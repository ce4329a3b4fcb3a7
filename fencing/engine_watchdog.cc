// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/engine_watchdog.h"

#include <algorithm>

#include "logchannel/check.h"

namespace ft::fencing {

EngineWatchdog::EngineWatchdog(const Options& options, Instant now)
    : options_(options), last_(now) {
  FT_CHECK(options.longest_gap.count() > 0 &&
           options.longest_gap < options.silence)
      << "longest gap " << options.longest_gap.count() << " ms, silence "
      << options.silence.count() << " ms";
}

void EngineWatchdog::Listen(Instant now) {
  FT_CHECK(now >= last_) << "time went back by " << (last_ - now).count()
                         << " ns";
  silence_ +=
      std::min<std::chrono::nanoseconds>(now - last_, options_.longest_gap);
  last_ = now;
}

void EngineWatchdog::Look(Instant now, uint64_t mark) {
  Listen(now);
  if (mark != mark_) silence_ = {};
  mark_ = mark;
}

void EngineWatchdog::OnAnswer(Instant now) {
  Listen(now);
  silence_ = {};
}

}  // namespace ft::fencing
