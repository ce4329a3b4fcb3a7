// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/plan.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ft::chaos {
namespace {

using std::chrono::milliseconds;

constexpr int kGroup = 6;
constexpr int kSinglesOfGroup = 4;
// A clone of the guest takes about a second under load.
constexpr int kCloneWithinMs = 1'400;
constexpr int kFirstWithinMs = 800;
constexpr int kSecondWithinMs = 1'500;

// A kind on a target.
struct Story {
  FaultKind kind;
  Target target;
};

std::vector<Story> StoriesOf(std::span<const FaultKind> kinds) {
  std::vector<Story> stories;
  for (const FaultKind kind : kinds) {
    for (const Target target : FactsOf(kind).targets) {
      stories.push_back({kind, target});
    }
  }
  return stories;
}

class Dice {
 public:
  // Through seed_seq: neighbours as seeds have neighbours as first numbers.
  Dice(uint64_t seed, int number) {
    std::seed_seq both = {seed, static_cast<uint64_t>(number)};
    random_.seed(both);
  }

  // Uniform, both bounds included.
  int Between(int from, int to) {
    const auto count = static_cast<uint64_t>(to - from) + 1;
    return from + static_cast<int>(random_() % count);
  }

  // As many between 50 and 500 ms as between 500 ms and 5 s.
  milliseconds Duration(int from_ms, int to_ms) {
    if (to_ms == 0) return milliseconds(0);
    const double share = static_cast<double>(random_() % 10'001) / 10'000;
    const double ms = from_ms * std::pow(double{1} * to_ms / from_ms, share);
    return milliseconds(std::lround(ms));
  }

  const Story& Of(const std::vector<Story>& stories) {
    return stories[random_() % stories.size()];
  }

 private:
  std::mt19937_64 random_;
};

Fault Draw(Dice& dice, const Story& story, milliseconds at) {
  const FaultFacts& facts = FactsOf(story.kind);
  Fault fault = {.kind = story.kind, .target = story.target, .at = at};
  fault.lasts = dice.Duration(facts.lasts_min_ms, facts.lasts_max_ms);
  if (facts.size_max != 0) {
    fault.size = dice.Between(facts.size_min, facts.size_max);
  }
  return fault;
}

milliseconds Within(Dice& dice, int bound_ms) {
  return milliseconds(dice.Between(0, bound_ms));
}

// A second one that may be in force beside the first; after some tries any
// moment later will do, and the first is over by then.
void AddSecond(Dice& dice, const std::vector<Story>& stories,
               std::vector<Fault>& faults) {
  const Fault& first = faults.front();
  Fault second;
  for (int tries = 0; tries < 20; ++tries) {
    const milliseconds at = first.at + Within(dice, kSecondWithinMs);
    second = Draw(dice, dice.Of(stories), at);
    if (Compatible(first, second)) break;
    second.at = std::max(second.at, first.at + first.lasts);
  }
  faults.push_back(second);
}

}  // namespace

Trial PlanTrial(uint64_t seed, int number, std::span<const FaultKind> kinds) {
  const std::vector<Story> stories = StoriesOf(kinds);
  const auto group = static_cast<size_t>(number - 1) / kGroup;
  const auto place = static_cast<size_t>(number - 1) % kGroup;
  Dice dice(seed, number);
  Trial trial = {.number = number};
  if (place < kSinglesOfGroup) {
    const size_t turn = group * kSinglesOfGroup + place;
    trial.faults = {Draw(dice, stories[turn % stories.size()],
                         Within(dice, kFirstWithinMs))};
  } else if (place == kSinglesOfGroup) {
    trial.moment = Moment::kCloning;
    const Story& story = stories[group % stories.size()];
    trial.faults = {Draw(dice, story, Within(dice, kCloneWithinMs))};
  } else {
    trial.faults = {Draw(dice, dice.Of(stories), Within(dice, kFirstWithinMs))};
    AddSecond(dice, stories, trial.faults);
  }
  return trial;
}

namespace {

// The copy of the VM on its target is gone. A backup is nothing without its
// ftd: its engine quits.
bool TakesCopy(const Fault& fault) {
  return FactsOf(fault.kind).kills_engine ||
         (fault.kind == FaultKind::kFtdKilled &&
          fault.target == Target::kBackup);
}

// With `killer` one copy is gone; is there another one in spite of `other`?
bool TakesTheRest(const Fault& killer, const Fault& other) {
  const FaultFacts& facts = FactsOf(other.kind);
  // A VM that is being moved is its new host's from the test-and-set on.
  if (other.kind == FaultKind::kMoved) return true;
  return facts.parts &&
         (facts.family == Family::kCable || other.target != killer.target);
}

}  // namespace

bool MayLoseVm(const Trial& trial) {
  for (const Fault& fault : trial.faults) {
    // There is no copy yet.
    const bool only = trial.moment == Moment::kCloning &&
                      fault.target == Target::kPrimary &&
                      FactsOf(fault.kind).kills_engine;
    if (only) return true;
    if (!TakesCopy(fault)) continue;
    for (const Fault& other : trial.faults) {
      if (&other != &fault && TakesTheRest(fault, other)) return true;
    }
  }
  return false;
}

bool MustMove(const Trial& trial) {
  return trial.faults.size() == 1 && trial.moment == Moment::kProtected &&
         trial.faults.front().kind == FaultKind::kMoved;
}

const char* Name(Moment moment) {
  return moment == Moment::kProtected ? "protected" : "cloning";
}

std::string Text(const Trial& trial) {
  std::string text = std::string(Name(trial.moment)) + ": ";
  for (const Fault& fault : trial.faults) {
    if (&fault != &trial.faults.front()) text += "; ";
    text += Text(fault);
  }
  return text;
}

std::string Label(const Trial& trial) {
  if (trial.faults.size() > 1) return "two faults";
  const std::string label = Label(trial.faults.front());
  return trial.moment == Moment::kCloning ? label + ", cloning" : label;
}

}  // namespace ft::chaos
