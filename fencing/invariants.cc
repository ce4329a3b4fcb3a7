// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/invariants.h"

#include <utility>

#include "logchannel/check.h"

namespace ft::fencing {
namespace {

std::string Number(uint64_t number) { return std::to_string(number); }

}  // namespace

const char* Name(Invariant invariant) {
  constexpr const char* kNames[] = {"I1", "I2", "I3", "I4",
                                    "I5", "I6", "I7", "I8"};
  return kNames[static_cast<int>(invariant) - 1];
}

const char* Sentence(Invariant invariant) {
  switch (invariant) {
    case Invariant::kI1:
      return "at most one live side per VM and epoch, ever";
    case Invariant::kI2:
      return "no output before its position is acknowledged";
    case Invariant::kI3:
      return "replayed <= received <= sent <= committed";
    case Invariant::kI4:
      return "positions and epochs only grow";
    case Invariant::kI5:
      return "go live only after consuming everything acknowledged";
    case Invariant::kI6:
      return "after contending a backup acknowledges nothing more";
    case Invariant::kI7:
      return "a fenced epoch never writes the disk again";
    case Invariant::kI8:
      return "an acknowledged write survives";
  }
  return "?";
}

Invariants::Invariants(std::vector<std::string> host_names)
    : names_(std::move(host_names)) {
  FT_CHECK(names_.size() <= kHostsMax) << names_.size() << " hosts";
}

void Invariants::Break(Invariant invariant, std::string what) {
  if (!violation_) violation_ = Violation{invariant, std::move(what)};
}

std::string Invariants::At(int host, uint64_t epoch) const {
  return names_[host] + " in epoch " + Number(epoch);
}

void Invariants::OnLive(int host, uint64_t epoch) {
  if (epoch == newest_epoch_ && host != newest_host_) {
    Break(Invariant::kI1,
          At(host, epoch) + " is live, and so is " + names_[newest_host_]);
  }
  if (epoch < newest_epoch_) {
    const std::string what =
        At(host, epoch) + " becomes live after epoch " + Number(newest_epoch_);
    Break(host == newest_host_ ? Invariant::kI4 : Invariant::kI1, what);
  }
  newest_epoch_ = epoch;
  newest_host_ = host;
}

void Invariants::OnEntitled(int host, uint64_t epoch) {
  if (epoch < hosts_[host].entitled) {
    Break(Invariant::kI4, At(host, epoch) + " is entitled after epoch " +
                              Number(hosts_[host].entitled));
  }
  hosts_[host].entitled = epoch;
}

void Invariants::OnRenounced(int host, uint64_t epoch) {
  if (hosts_[host].entitled == epoch) hosts_[host].entitled = 0;
}

void Invariants::OnContended(int host, uint64_t epoch) {
  hosts_[host].contended = epoch;
}

void Invariants::OnAcknowledged(int host, uint64_t epoch, uint64_t position) {
  Host& side = hosts_[host];
  const bool same = side.acknowledged_epoch == epoch;
  const bool more = !same || position > side.acknowledged;
  if (more && side.contended == epoch) {
    Break(Invariant::kI6, At(host, epoch) + " acknowledges " +
                              Number(position) + " after contending");
  }
  if (same && position < side.acknowledged) {
    Break(Invariant::kI4, At(host, epoch) + " acknowledges " +
                              Number(position) + " after " +
                              Number(side.acknowledged));
  }
  side.acknowledged_epoch = epoch;
  side.acknowledged = position;
}

void Invariants::OnConsumedAll(int host, uint64_t epoch, uint64_t consumed) {
  const Host& side = hosts_[host];
  if (side.acknowledged_epoch == epoch && consumed < side.acknowledged) {
    Break(Invariant::kI5, At(host, epoch) + " goes live at " +
                              Number(consumed) + ", acknowledged " +
                              Number(side.acknowledged));
  }
}

void Invariants::OnPositions(uint64_t epoch, const PairPositions& now) {
  const bool ordered = now.sent <= now.committed && now.received <= now.sent &&
                       now.replayed <= now.received &&
                       now.heard_received <= now.received &&
                       now.heard_replayed <= now.replayed &&
                       now.heard_replayed <= now.heard_received;
  auto text = [&now] {
    return "replayed " + Number(now.replayed) + ", received " +
           Number(now.received) + ", sent " + Number(now.sent) +
           ", committed " + Number(now.committed) + "; heard " +
           Number(now.heard_received) + "/" + Number(now.heard_replayed);
  };
  if (!ordered) Break(Invariant::kI3, text());
  if (epoch == pair_epoch_) {
    const bool grew =
        now.committed >= pair_.committed && now.sent >= pair_.sent &&
        now.received >= pair_.received && now.replayed >= pair_.replayed &&
        now.heard_received >= pair_.heard_received &&
        now.heard_replayed >= pair_.heard_replayed;
    if (!grew) Break(Invariant::kI4, text());
  }
  pair_epoch_ = epoch;
  pair_ = now;
}

bool Invariants::RivalOf(int host, uint64_t epoch) const {
  for (int other = 0; other < static_cast<int>(names_.size()); ++other) {
    if (other != host && hosts_[other].entitled == epoch) return true;
  }
  return false;
}

bool Invariants::AcknowledgedByAnother(int host, uint64_t epoch,
                                       uint64_t position) const {
  for (int other = 0; other < static_cast<int>(names_.size()); ++other) {
    const Host& side = hosts_[other];
    if (other != host && side.acknowledged_epoch == epoch &&
        side.acknowledged >= position) {
      return true;
    }
  }
  return false;
}

void Invariants::OnOutput(int host, uint64_t epoch, uint64_t position,
                          bool held) {
  if (newest_host_ != host && newest_epoch_ > epoch) {
    Break(Invariant::kI1, "an output leaves " + At(host, epoch) + " after " +
                              At(newest_host_, newest_epoch_) + " is live");
  }
  if (held && !AcknowledgedByAnother(host, epoch, position)) {
    Break(Invariant::kI2, "an output of position " + Number(position) +
                              " leaves " + At(host, epoch) +
                              ", which nobody acknowledged");
  }
  if (!held && (newest_host_ != host || newest_epoch_ != epoch)) {
    Break(Invariant::kI2, "an output leaves " + At(host, epoch) +
                              " unheld, and it does not hold that epoch");
  }
  if (!held && RivalOf(host, epoch)) {
    Break(Invariant::kI2, "an output leaves " + At(host, epoch) +
                              " unheld, and a backup is entitled");
  }
}

void Invariants::OnDiskWrite(int host, uint64_t epoch) {
  if (epoch < newest_epoch_ || host != newest_host_) {
    Break(Invariant::kI7, At(host, epoch) + " writes to the disk of " +
                              At(newest_host_, newest_epoch_));
  }
}

void Invariants::OnAnswer(int host, const AnsweredWrite& write) {
  if (write.place >= answered_.size()) answered_.resize(write.place + 1);
  uint64_t& known = answered_[write.place];
  if (known != 0 && known != write.content) {
    Break(Invariant::kI8, names_[host] + " answers for place " +
                              Number(write.place) +
                              " what differs from an earlier answer");
  }
  known = write.content;
}

void Invariants::OnHistory(int host, const std::vector<uint64_t>& contents) {
  for (size_t place = 0; place < answered_.size(); ++place) {
    if (answered_[place] == 0) continue;
    if (place < contents.size() && contents[place] == answered_[place]) {
      continue;
    }
    Break(Invariant::kI8,
          names_[host] + " is live, and the write of place " + Number(place) +
              " that was answered is " +
              (place < contents.size() ? "another one" : "lost"));
    return;
  }
}

}  // namespace ft::fencing
