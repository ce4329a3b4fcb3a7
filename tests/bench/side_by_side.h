// SPDX-License-Identifier: GPL-2.0-or-later
//
// A plain guest and a replicated one that take turns, a fifth of a second
// each (SIGSTOP, SIGCONT), from the beginning of their work to its end. A
// machine that is shared with others is twice as fast in one second as in the
// next; in turns both meet the same seconds, and their ratio is steady.
//
//     plain      boot | ready |-- ---- ---- done | boot | ready |-- --- done
//     FT         boot | clone |  --  --  --  done|        ready |  --  -- done
//                               recorded                      replayed
//
// The replay takes turns with a plain guest of its own, so a replay's time and
// its recording's are compared through what plain guests took meanwhile.
// Each has a process and a network namespace.
//
// For workloads that talk to nobody: a connection would time out while its
// guest is stopped. What the turns themselves cost a guest (timers that are
// late by a turn) both have to bear.
#pragma once

#include <optional>

#include "tests/bench/measured_run.h"

namespace ft::bench {

struct SideBySide {
  PlainRun plain;            // beside the recording
  PlainRun plain_of_replay;  // beside the replay
  ReplicatedRun ft;
};

// Seconds are those of one's own turns. Nothing when a run failed; the reason
// was printed. The caller has one thread.
std::optional<SideBySide> RunSideBySide(const Workload& workload);

}  // namespace ft::bench
