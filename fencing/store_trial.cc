// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/store_trial.h"

#include <algorithm>

namespace ft::fencing {
namespace {

// So that an interrupted test ends soon.
constexpr int kRoundsAtOnce = 500;

Status Interrupted() {
  return Status::Unavailable("interrupted; nothing is known about this store",
                             "run it to its end");
}

void Sum(const RaceResult& more, RaceResult* sum) {
  sum->won += more.won;
  sum->unwon += more.unwon;
  sum->split += more.split;
  sum->misnamed += more.misnamed;
  sum->unreachable += more.unreachable;
  sum->unanswered += more.unanswered;
  sum->decisions_us.insert(sum->decisions_us.end(), more.decisions_us.begin(),
                           more.decisions_us.end());
}

}  // namespace

bool StoreTrial::trusted() const {
  return !steps_.empty() && std::ranges::all_of(steps_, &Step::ok);
}

Status StoreTrial::Run(const Progress& progress,
                       const std::atomic<bool>& stop) {
  Status status = RunChecks(progress, stop);
  for (int contenders : options_.contenders) {
    for (bool processes : {false, true}) {
      if (!status.ok()) return status;
      status = RunRace(contenders, processes, progress, stop);
    }
  }
  if (status.ok()) status = Measure();
  return status;
}

Status StoreTrial::Add(Step step, const Progress& progress) {
  progress(step);
  steps_.push_back(std::move(step));
  return store_.Clear();
}

Status StoreTrial::RunChecks(const Progress& progress,
                             const std::atomic<bool>& stop) {
  for (const Check& check : AllChecks()) {
    if (stop) return Interrupted();
    if (!store_.has(check.hand)) {
      not_tried_.emplace_back(check.promise);
      continue;
    }
    Status status = Add({.what = check.promise,
                         .findings = check.run(store_),
                         .decisions_us = {}},
                        progress);
    if (!status.ok()) return status;
  }
  return Status::Ok();
}

Status StoreTrial::RunRace(int contenders, bool processes,
                           const Progress& progress,
                           const std::atomic<bool>& stop) {
  const auto open = [this] { return store_.Open(); };
  RaceResult sum;
  for (int done = 0; done < options_.rounds; done += kRoundsAtOnce) {
    if (stop) return Interrupted();
    const int rounds = std::min(kRoundsAtOnce, options_.rounds - done);
    Sum(Race(open, "vm1",
             {.contenders = contenders,
              .rounds = rounds,
              .processes = processes}),
        &sum);
    if (Status s = store_.Clear(); !s.ok()) return s;
  }
  std::ranges::sort(sum.decisions_us);
  std::string what = std::to_string(contenders) +
                     (processes ? " processes" : " threads") + " race " +
                     std::to_string(options_.rounds) +
                     " times: one winner each time";
  if (sum.unreachable > 0) {
    what += " (" + std::to_string(sum.unreachable) + " answers came too late)";
  }
  return Add({.what = std::move(what),
              .findings = JudgeRace(sum),
              .decisions_us = sum.decisions_us},
             progress);
}

Status StoreTrial::Measure() {
  const auto store = store_.Open();
  decisions_us_ = MeasureDecisions(*store, "vm1", options_.rounds);
  if (static_cast<int>(decisions_us_.size()) == options_.rounds) {
    return store_.Clear();
  }
  return Status::Unavailable("the store failed while nobody contested it",
                             "run the test again when it is at rest");
}

}  // namespace ft::fencing
