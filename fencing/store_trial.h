// SPDX-License-Identifier: GPL-2.0-or-later
//
// StoreTrial: whether an operator's own storage can be trusted with the
// decision who runs a VM. Runs every check that needs no hand we do not have
// (test_and_set_checks.h), then races of threads and of processes, then
// measures decisions that nobody contests. Each step is told to `progress`
// when it is over.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fencing/scratch_store.h"

namespace ft::fencing {

class StoreTrial {
 public:
  struct Options {
    int rounds = 1000;  // of each race, and decisions that are measured
    std::vector<int> contenders = {2, 8};
  };
  struct Step {
    std::string what;  // "8 processes race 1000 times: one winner each time"
    Findings findings;
    std::vector<uint32_t> decisions_us;  // of races
    bool ok() const { return findings.empty(); }
  };
  using Progress = std::function<void(const Step&)>;

  StoreTrial(ScratchStore& store, Options options)
      : store_(store), options_(std::move(options)) {}

  // kUnavailable: the storage went away meanwhile, or `stop` was set.
  Status Run(const Progress& progress, const std::atomic<bool>& stop);

  // Valid after Run().
  const std::vector<Step>& steps() const { return steps_; }
  // Of decisions that nobody contested, ascending.
  const std::vector<uint32_t>& decisions_us() const { return decisions_us_; }
  // What no check could try here.
  const std::vector<std::string>& not_tried() const { return not_tried_; }
  bool trusted() const;

 private:
  Status Add(Step step, const Progress& progress);
  Status RunChecks(const Progress& progress, const std::atomic<bool>& stop);
  Status RunRace(int contenders, bool processes, const Progress& progress,
                 const std::atomic<bool>& stop);
  Status Measure();

  ScratchStore& store_;
  const Options options_;
  std::vector<Step> steps_;
  std::vector<uint32_t> decisions_us_;
  std::vector<std::string> not_tried_;
};

}  // namespace ft::fencing
