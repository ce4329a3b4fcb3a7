// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/link_direction.h"

#include <algorithm>

namespace ft::chaos {
namespace {

int64_t NsOfMs(double ms) { return static_cast<int64_t>(ms * 1e6); }

}  // namespace

bool LinkDirection::Chance(double probability) {
  // Nothing is drawn for what cannot happen: a perfect cable is no test of
  // the generator.
  return probability > 0 &&
         std::uniform_real_distribution<>(0, 1)(random_) < probability;
}

int64_t LinkDirection::DelayNs() {
  const double jitter =
      impairment_.jitter_ms > 0
          ? std::uniform_real_distribution<>(0, impairment_.jitter_ms)(random_)
          : 0;
  return NsOfMs(impairment_.delay_ms + jitter);
}

void LinkDirection::Accept(int64_t now_ns, Frame frame) {
  ++counts_.received;
  if (impairment_.cut) {
    ++counts_.cut;
    return;
  }
  if (Chance(impairment_.loss)) {
    ++counts_.lost;
    return;
  }
  if (!injector_.Pass(frame)) return;
  int64_t due_ns = now_ns;
  if (Chance(impairment_.reorder)) {
    ++counts_.reordered;
  } else {
    due_ns = std::max(now_ns + DelayNs(), last_due_ns_);
    last_due_ns_ = due_ns;
  }
  const int copies = Chance(impairment_.duplicate) ? 2 : 1;
  counts_.duplicated += copies == 2;
  for (int copy = copies; copy > 0; --copy) {
    const auto leaves = ThroughLine(due_ns, frame.size());
    if (!leaves || queue_.size() >= kFramesMax) {
      ++counts_.overflowed;
      continue;
    }
    Queue(*leaves, copy == 1 ? std::move(frame) : frame);
  }
}

std::optional<int64_t> LinkDirection::ThroughLine(int64_t due_ns,
                                                  size_t bytes) {
  if (impairment_.mbit_per_s <= 0) return due_ns;
  const int64_t begins = std::max(due_ns, line_free_at_ns_);
  if (begins - due_ns > NsOfMs(impairment_.queue_ms)) return std::nullopt;
  line_free_at_ns_ =
      begins + static_cast<int64_t>(static_cast<double>(bytes) * 8e3 /
                                    impairment_.mbit_per_s);
  return line_free_at_ns_;
}

void LinkDirection::Queue(int64_t due_ns, Frame frame) {
  queue_.push_back({due_ns, number_++, std::move(frame)});
  std::ranges::push_heap(queue_, Later);
}

std::optional<int64_t> LinkDirection::NextDue() const {
  if (queue_.empty()) return std::nullopt;
  return queue_.front().due_ns;
}

std::optional<Frame> LinkDirection::Take(int64_t now_ns) {
  if (queue_.empty() || queue_.front().due_ns > now_ns) return std::nullopt;
  std::ranges::pop_heap(queue_, Later);
  Frame frame = std::move(queue_.back().frame);
  queue_.pop_back();
  ++counts_.forwarded;
  return frame;
}

LinkCounts LinkDirection::counts() const {
  LinkCounts counts = counts_;
  counts.corrupted = injector_.corrupted();
  counts.truncated = injector_.truncated();
  return counts;
}

}  // namespace ft::chaos
