// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/linearizability.h"

#include <algorithm>
#include <bit>
#include <map>

#include "tests/chaos/key_model.h"
#include "tests/chaos/linearizability_excerpt.h"

namespace ft::chaos {
namespace {

using Prepared = KeyModel::Prepared;
using State = KeyModel::State;

// Open operations have slots, the bits of a mask.
constexpr int kSlots = 64;

struct Configuration {
  uint64_t done = 0;  // open operations that took effect already
  State state = KeyModel::kInitial;

  auto operator<=>(const Configuration&) const = default;
};

struct Event {
  int64_t time_ns;
  bool is_return;  // at the same time invocations come first: they overlap
  size_t operation;

  auto operator<=>(const Event&) const = default;
};

bool ChangesNothing(const Operation& operation) {
  return operation.kind == Kind::kGet || operation.kind == Kind::kRange;
}

// The walk over one key's events.
class KeyWalk {
 public:
  KeyWalk(const std::vector<const Operation*>& operations,
          const CheckOptions& options)
      : operations_(operations), options_(options) {
    slots_.resize(operations.size(), -1);
    for (const Operation* operation : operations) {
      prepared_.push_back(model_.Prepare(*operation));
    }
  }

  // Ends at the first trouble.
  void Walk() {
    for (const Event& event : Events()) {
      if (event.is_return) {
        Return(event.operation);
      } else {
        Invoke(event.operation);
      }
      if (verdict_ != Verdict::kLinearizable) return;
    }
  }

  Verdict verdict() const { return verdict_; }
  // Violation: the operation whose return nothing explains, and the states
  // in which it could have been executed, all of them wrong.
  size_t blocked() const { return blocked_; }
  const std::vector<State>& possible() const { return possible_; }
  const KeyModel& model() const { return model_; }

 private:
  std::vector<Event> Events() const {
    std::vector<Event> events;
    for (size_t i = 0; i < operations_.size(); ++i) {
      const Operation& operation = *operations_[i];
      if (operation.outcome == Outcome::kAnswered) {
        events.push_back({operation.invoked_ns, false, i});
        events.push_back({operation.returned_ns, true, i});
      } else if (!ChangesNothing(operation)) {
        events.push_back({operation.invoked_ns, false, i});
      }
    }
    std::ranges::sort(events);
    return events;
  }

  void Invoke(size_t operation) {
    const int slot = std::countr_one(open_);
    if (slot == kSlots) {
      verdict_ = Verdict::kUndecided;
      return;
    }
    const uint64_t bit = uint64_t{1} << slot;
    open_ |= bit;
    if (!prepared_[operation].answered) unknown_ |= bit;
    slots_[operation] = slot;
    in_slot_[slot] = operation;
  }

  // Every configuration in which the operation has not taken effect yet is
  // extended by open operations, in every order that ends with it.
  void Return(size_t operation) {
    const uint64_t bit = uint64_t{1} << slots_[operation];
    std::vector<Configuration> after, frontier;
    for (const Configuration& configuration : configurations_) {
      if (configuration.done & bit) {
        after.push_back({configuration.done & ~bit, configuration.state});
      } else {
        frontier.push_back(configuration);
      }
    }
    std::vector<Configuration> seen;
    while (!frontier.empty()) {
      Merge(seen, frontier);
      if (seen.size() > options_.configurations_max) {
        verdict_ = Verdict::kUndecided;
        return;
      }
      frontier = Extend(frontier, bit, seen);
    }
    for (const Configuration& configuration : seen) {
      const auto state =
          model_.Apply(prepared_[operation], configuration.state);
      if (state) after.push_back({configuration.done, *state});
    }
    open_ &= ~bit;
    if (after.empty()) return Block(operation, seen);
    configurations_ = Reduce(std::move(after));
  }

  // One more open operation, other than `bit`'s, on each; only what is new.
  std::vector<Configuration> Extend(const std::vector<Configuration>& from,
                                    uint64_t bit,
                                    const std::vector<Configuration>& seen) {
    std::vector<Configuration> out;
    for (const Configuration& configuration : from) {
      uint64_t left = open_ & ~bit & ~configuration.done;
      for (; left != 0; left &= left - 1) {
        const int slot = std::countr_zero(left);
        const auto state =
            model_.Apply(prepared_[in_slot_[slot]], configuration.state);
        if (!state) continue;
        const Configuration next = {configuration.done | uint64_t{1} << slot,
                                    *state};
        if (!std::ranges::binary_search(seen, next)) out.push_back(next);
      }
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  // Both sorted and without an element in common.
  static void Merge(std::vector<Configuration>& into,
                    std::vector<Configuration>& more) {
    std::ranges::sort(more);
    const auto middle = static_cast<ptrdiff_t>(into.size());
    into.insert(into.end(), more.begin(), more.end());
    std::inplace_merge(into.begin(), into.begin() + middle, into.end());
  }

  // Each once, and none that has spent more unknown operations than another
  // with the same state and the same known ones.
  std::vector<Configuration> Reduce(std::vector<Configuration> all) const {
    const auto order = [&](const Configuration& c) {
      return std::tuple(c.state, c.done & ~unknown_,
                        std::popcount(c.done & unknown_), c.done);
    };
    std::ranges::sort(all, {}, order);
    std::vector<Configuration> kept;
    size_t group = 0;  // where those with the same state and known ones begin
    for (const Configuration& c : all) {
      if (kept.empty() || kept.back().state != c.state ||
          ((kept.back().done ^ c.done) & ~unknown_) != 0) {
        group = kept.size();
      }
      const bool dominated = std::any_of(
          kept.begin() + static_cast<ptrdiff_t>(group), kept.end(),
          [&](const Configuration& k) { return (k.done & ~c.done) == 0; });
      if (!dominated) kept.push_back(c);
    }
    return kept;
  }

  void Block(size_t operation, const std::vector<Configuration>& seen) {
    verdict_ = Verdict::kViolation;
    blocked_ = operation;
    for (const Configuration& c : seen) possible_.push_back(c.state);
    std::ranges::sort(possible_);
    possible_.erase(std::unique(possible_.begin(), possible_.end()),
                    possible_.end());
  }

  const std::vector<const Operation*>& operations_;
  const CheckOptions& options_;
  KeyModel model_;
  std::vector<Prepared> prepared_;
  std::vector<Configuration> configurations_{Configuration{}};
  uint64_t open_ = 0;     // slots in use
  uint64_t unknown_ = 0;  // of them, those that never return
  size_t in_slot_[kSlots] = {};
  std::vector<int> slots_;  // of each operation
  Verdict verdict_ = Verdict::kLinearizable;
  size_t blocked_ = 0;
  std::vector<State> possible_;
};

}  // namespace

CheckResult CheckHistory(std::span<const Operation> history,
                         const CheckOptions& options) {
  std::map<std::string_view, std::vector<const Operation*>> by_key;
  for (const Operation& operation : history) {
    by_key[operation.key].push_back(&operation);
  }
  CheckResult result;
  for (const auto& [key, operations] : by_key) {
    KeyWalk walk(operations, options);
    walk.Walk();
    if (walk.verdict() == Verdict::kViolation) {
      const Operation& blocked = *operations[walk.blocked()];
      const bool first = result.verdict != Verdict::kViolation ||
                         blocked.returned_ns < result.blocked.returned_ns;
      if (!first) continue;
      result.verdict = Verdict::kViolation;
      DescribeViolation(operations, blocked, walk.model(), walk.possible(),
                        result);
    } else if (walk.verdict() == Verdict::kUndecided && result.ok()) {
      result.verdict = Verdict::kUndecided;
      result.key = key;
      result.why = "key " + std::string(key) +
                   ": too many operations are open at once to decide";
    }
  }
  result.operations = history.size();
  result.keys = by_key.size();
  return result;
}

}  // namespace ft::chaos
