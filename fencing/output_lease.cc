// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/output_lease.h"

#include <algorithm>

#include "logchannel/check.h"

namespace ft::fencing {

void OutputLease::Send(Samples& samples, uint64_t number, Instant now) {
  FT_CHECK(samples.empty() || number >= samples.back().number)
      << "sent " << number << " after " << samples.back().number;
  if (samples.size() < kPendingMax) samples.push_back({number, now});
}

// The newest sample that is covered: it was sent before the answer was.
void OutputLease::Hear(Samples& samples, uint64_t number) {
  std::optional<Instant> sent;
  while (!samples.empty() && samples.front().number <= number) {
    sent = samples.front().sent;
    samples.pop_front();
  }
  if (sent && *sent >= counts_from_) until_ = std::max(until_, *sent + length_);
}

void OutputLease::Revoke() {
  counts_from_ = Instant::max();
  until_ = Instant{};
}

void OutputLease::Restore(Instant now) {
  counts_from_ = std::min(counts_from_, now);
}

bool LeaseWaitIsNeeded(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::kPeerVmGone:
    case Suspicion::kHandover:
      return false;
    case Suspicion::kSilence:
    case Suspicion::kConnectionReset:
    case Suspicion::kPeerMovedOn:
    case Suspicion::kHandoverUnanswered:
    case Suspicion::kRestarted:
    case Suspicion::kNoProgress:
    case Suspicion::kProtectionEnded:
      return true;
  }
  return true;
}

}  // namespace ft::fencing
