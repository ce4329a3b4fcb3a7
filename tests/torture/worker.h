// SPDX-License-Identifier: GPL-2.0-or-later
//
// One run of the torture in a process and a network namespace of its own:
// several can go on at once, and one that crashes takes no other along.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "logchannel/scoped_fd.h"
#include "tests/replay/forked_child.h"
#include "tests/torture/plan.h"
#include "tests/torture/trial.h"

namespace ft::torture {

class Worker {
 public:
  using Performance = std::function<Outcome(const Trial&)>;

  // Forks; the caller has one thread. The child ends with its parent, and
  // with this object.
  explicit Worker(const Trial& trial, const Performance& perform = Perform);

  const Trial& trial() const { return trial_; }
  // Until the run has ended. A process that dies has failed its run.
  Outcome Await();

 private:
  friend size_t WaitForAny(const std::vector<std::unique_ptr<Worker>>&);

  const Trial trial_;
  ScopedFd outcome_;  // its end of file: the child is done
  std::optional<replay::ForkedChild> child_;
};

// The index of one whose run has ended, or is about to: Await() it.
size_t WaitForAny(const std::vector<std::unique_ptr<Worker>>& workers);

}  // namespace ft::torture
