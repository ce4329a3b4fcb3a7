// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/failure_detector.h"

#include <algorithm>

#include "logchannel/check.h"

namespace ft::fencing {

const char* ToString(Suspicion suspicion) {
  switch (suspicion) {
    case Suspicion::kSilence:
      return "no heartbeat and no log traffic";
    case Suspicion::kConnectionReset:
      return "log connection lost";
    case Suspicion::kPeerVmGone:
      return "the peer's VM died";
    case Suspicion::kPeerMovedOn:
      return "the peer is in a higher epoch";
    case Suspicion::kHandoverUnanswered:
      return "handover not answered";
    case Suspicion::kHandover:
      return "planned failover";
    case Suspicion::kRestarted:
      return "ftd was restarted";
    case Suspicion::kNoProgress:
      return "the backup makes no progress";
    case Suspicion::kProtectionEnded:
      return "protection ended by the operator";
  }
  return "?";
}

FailureDetector::FailureDetector(const Options& options, uint64_t epoch,
                                 Instant now)
    : options_(options),
      epoch_(epoch),
      limit_(std::max(options.silence, options.silence_at_first)),
      last_(now) {
  FT_CHECK(options.interval.count() > 0 &&
           options.interval <= options.longest_gap &&
           options.longest_gap < options.silence)
      << "interval " << options.interval.count() << " ms, longest gap "
      << options.longest_gap.count() << " ms, silence "
      << options.silence.count() << " ms";
}

void FailureDetector::Listen(Instant now) {
  FT_CHECK(now >= last_) << "time went back by " << (last_ - now).count()
                         << " ns";
  silence_ +=
      std::min<std::chrono::nanoseconds>(now - last_, options_.longest_gap);
  last_ = now;
}

void FailureDetector::Engage() {
  if (limit_ == options_.silence) return;
  limit_ = options_.silence;
  silence_ = {};
}

void FailureDetector::OnHeartbeat(Instant now, uint64_t epoch) {
  Listen(now);
  if (epoch == epoch_) silence_ = {};
  if (epoch > epoch_ && !lasting_) lasting_ = Suspicion::kPeerMovedOn;
}

void FailureDetector::OnLogTraffic(Instant now) {
  Listen(now);
  silence_ = {};
}

void FailureDetector::OnConnectionReset(Instant now) {
  Listen(now);
  if (!lasting_) lasting_ = Suspicion::kConnectionReset;
}

void FailureDetector::OnPeerVmGone(Instant now) {
  Listen(now);
  if (!lasting_) lasting_ = Suspicion::kPeerVmGone;
}

std::optional<Suspicion> FailureDetector::Tick(Instant now) {
  Listen(now);
  if (lasting_) return lasting_;
  if (silence_ >= limit_) return Suspicion::kSilence;
  return std::nullopt;
}

Instant FailureDetector::next_deadline() const {
  const std::chrono::nanoseconds left = limit_ - silence_;
  if (left.count() <= 0) return last_ + options_.interval;
  return last_ + std::min<std::chrono::nanoseconds>(left, options_.interval);
}

}  // namespace ft::fencing
