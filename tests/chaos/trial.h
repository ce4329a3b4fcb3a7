// SPDX-License-Identifier: GPL-2.0-or-later
//
// One run of the chaos ring, on a campaign's pair:
//
//     prepare -- clients work -- faults begin and end as planned -- heal
//        |                                                            |
//        protected,                 who is live? served? settled? ----+
//        or cloning begins          what did the clients see?
//                                   protected again
//
// "Heal" brings back what a person would bring back: cables, storage, ftds
// that died. Nobody decides anything for the pair; it has to find out by
// itself whose VM it is.
#pragma once

#include <string>

#include "tests/chaos/campaign.h"
#include "tests/chaos/judgement.h"
#include "tests/chaos/record.h"

namespace ft::chaos {

struct RunOutcome {
  Sentence sentence;
  RunFigures figures;
  // The longest time for which this very process stood still: of a machine
  // that was suspended, or far too busy, a run says nothing.
  double stalled_ms = 0;
  bool is_void() const { return stalled_ms > 2000; }
};

// Throws nothing: what the bed could not do is a broken run. `evidence` is
// where logs and histories of a broken run are kept, a directory to be made.
RunOutcome Perform(Campaign& campaign, const Trial& trial, uint64_t seed,
                   const std::string& evidence);

}  // namespace ft::chaos
