// SPDX-License-Identifier: GPL-2.0-or-later
//
// A run in a process of its own, which says when its guest is ready and when
// the work is done, and can be made to wait in between.
//
//     child:  "ready PID" ...  "done" ...  then its result as JSON, and the end
//     parent:             "go"
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>

#include "logchannel/scoped_fd.h"
#include "tests/bench/measured_run.h"
#include "tests/replay/forked_child.h"

namespace ft::bench {

class PacedChild {
 public:
  // Forks; `run` is called in the child, in a NetworkBed. A null value is a
  // failure. The child ends with this object, and its engines with it.
  explicit PacedChild(const std::function<boost::json::value(Pacing&)>& run);

  // Until the guest is ready; false if that will not be.
  bool AwaitReady();
  void Go();
  // SIGSTOP or SIGCONT to the engine that is ready.
  void Signal(int signal) const;
  // Readable when the work is done, or will never be.
  int fd() const { return socket_.get(); }
  bool AwaitDone();
  std::optional<boost::json::value> AwaitResult();

 private:
  // Nothing at the end.
  std::optional<std::string> Receive();

  ScopedFd socket_;
  std::optional<replay::ForkedChild> child_;
  pid_t engine_ = -1;
};

}  // namespace ft::bench
