// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/linearizability_excerpt.h"

#include <algorithm>
#include <cstdio>
#include <set>

namespace ft::chaos {
namespace {

constexpr size_t kExcerptMax = 40;
// That many returned last before the blocked one was invoked, or were
// invoked first after it returned.
constexpr size_t kBefore = 6;
constexpr size_t kAfter = 2;
constexpr size_t kPossibleShown = 4;
constexpr size_t kElementsShown = 6;

bool IsList(const Operation& operation) {
  return operation.kind == Kind::kPush || operation.kind == Kind::kRange;
}

bool Writes(const Operation& operation) {
  return operation.kind == Kind::kSet || operation.kind == Kind::kPush;
}

bool Overlaps(const Operation& a, const Operation& b) {
  const auto end = [](const Operation& o) {
    return o.outcome == Outcome::kUnknown ? INT64_MAX : o.returned_ns;
  };
  return a.invoked_ns <= end(b) && b.invoked_ns <= end(a);
}

std::string Shown(const std::vector<std::string>& values) {
  const size_t skipped =
      values.size() > kElementsShown ? values.size() - kElementsShown : 0;
  std::string text = skipped ? "[.." : "[";
  for (size_t i = skipped; i < values.size(); ++i) {
    text += (text == "[" ? "" : " ") + values[i];
  }
  return text + "] (" + std::to_string(values.size()) + ")";
}

// "GET: v41", "RPUSH v7: 12", "SET v8: no answer"
std::string Deed(const Operation& operation) {
  const bool answered = operation.outcome == Outcome::kAnswered;
  const std::string first =
      operation.result.empty() ? "" : operation.result.front();
  switch (operation.kind) {
    case Kind::kSet:
      return "SET " + operation.argument + (answered ? "" : ": no answer");
    case Kind::kGet:
      return "GET: " + (!answered                  ? "no answer"
                        : operation.result.empty() ? "no such key"
                                                   : first);
    case Kind::kPush:
      return "RPUSH " + operation.argument + ": " +
             (answered ? "length " + first : "no answer");
    case Kind::kRange:
      return "LRANGE: " + (answered ? Shown(operation.result) : "no answer");
  }
  return "";
}

// Values that tell the blocked answer from a state that was possible.
std::set<std::string> ValuesOfInterest(
    const Operation& blocked, const KeyModel& model,
    const std::vector<KeyModel::State>& possible) {
  constexpr size_t kLast = 3;
  std::set<std::string> values;
  if (!IsList(blocked)) {
    values.insert(blocked.result.begin(), blocked.result.end());
    if (!possible.empty()) {
      values.insert(model.Describe(possible.front(), /*list=*/false));
    }
    return values;
  }
  if (blocked.kind == Kind::kRange) {
    std::set<std::string> once;  // an element that is there twice
    for (const std::string& value : blocked.result) {
      if (!once.insert(value).second) values.insert(value);
    }
    const size_t last = std::min(blocked.result.size(), kLast);
    values.insert(blocked.result.end() - static_cast<ptrdiff_t>(last),
                  blocked.result.end());
  }
  if (!possible.empty()) {
    const auto last = model.Last(possible.front(), kLast);
    values.insert(last.begin(), last.end());
  }
  return values;
}

std::vector<Operation> Excerpt(const std::vector<const Operation*>& operations,
                               const Operation& blocked,
                               const std::set<std::string>& values) {
  std::vector<const Operation*> sorted = operations;
  std::ranges::stable_sort(sorted, {}, &Operation::invoked_ns);
  std::vector<const Operation*> before, after;
  std::vector<const Operation*> chosen = {&blocked};
  for (const Operation* operation : sorted) {
    if (operation == &blocked) continue;
    if (Overlaps(*operation, blocked) ||
        (Writes(*operation) && values.contains(operation->argument))) {
      chosen.push_back(operation);
    } else if (operation->invoked_ns < blocked.invoked_ns) {
      before.push_back(operation);
    } else if (after.size() < kAfter) {
      after.push_back(operation);
    }
  }
  std::ranges::stable_sort(before, {}, &Operation::returned_ns);
  const size_t last = std::min(before.size(), kBefore);
  chosen.insert(chosen.end(), before.end() - static_cast<ptrdiff_t>(last),
                before.end());
  chosen.insert(chosen.end(), after.begin(), after.end());
  // The blocked one and what is nearest to it stay.
  if (chosen.size() > kExcerptMax) chosen.resize(kExcerptMax);
  std::ranges::stable_sort(chosen, {}, &Operation::invoked_ns);
  std::vector<Operation> excerpt;
  for (const Operation* operation : chosen) excerpt.push_back(*operation);
  return excerpt;
}

}  // namespace

void DescribeViolation(const std::vector<const Operation*>& operations,
                       const Operation& blocked, const KeyModel& model,
                       const std::vector<KeyModel::State>& possible,
                       CheckResult& result) {
  result.key = blocked.key;
  result.blocked = blocked;
  std::string states;
  for (size_t i = 0; i < std::min(possible.size(), kPossibleShown); ++i) {
    states += (i ? ", " : "") + model.Describe(possible[i], IsList(blocked));
  }
  if (possible.size() > kPossibleShown) {
    states += ", or one of " +
              std::to_string(possible.size() - kPossibleShown) + " more";
  }
  result.why = "key " + blocked.key + ": client " +
               std::to_string(blocked.client) + "'s " + Deed(blocked) +
               " has no explanation; the key was " + states;
  result.excerpt =
      Excerpt(operations, blocked, ValuesOfInterest(blocked, model, possible));
}

std::string CheckResult::Text() const {
  std::string text = why + "\n";
  for (const Operation& operation : excerpt) {
    const auto at = [&](int64_t time_ns) {
      return static_cast<double>(time_ns - blocked.returned_ns) / 1e6;
    };
    char times[64];
    if (operation.outcome == Outcome::kAnswered) {
      snprintf(times, sizeof times, "%12.3f to %9.3f ms",
               at(operation.invoked_ns), at(operation.returned_ns));
    } else {
      snprintf(times, sizeof times, "%12.3f to       ... ms",
               at(operation.invoked_ns));
    }
    text += std::string(times) + "  client " +
            std::to_string(operation.client) + "  " + Deed(operation) +
            (operation == blocked ? "   <-- no explanation" : "") + "\n";
  }
  return text;
}

}  // namespace ft::chaos
