// SPDX-License-Identifier: GPL-2.0-or-later
//
// EngineWatch: an agent's eye on its own engine. The verdict is fencing's
// EngineWatchdog; this class asks the engine when that wants an answer, one
// question at a time. The agents of both roles use it, as they do Contest.
//
// One thread. Beats come from the agent's own loop, so they stop when ftd
// does.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "fencing/engine_watchdog.h"
#include "primary/tasks.h"

namespace ft::replay {
class Engine;
}

namespace ft::primary {

class EngineWatch {
 public:
  // References outlive the watch, which outlives `tasks`' coroutines.
  EngineWatch(replay::Engine& engine, Tasks& tasks,
              const fencing::EngineWatchdogOptions& options);

  // At every beat; `mark` as EngineWatchdog::Look's.
  void Beat(uint64_t mark);
  // Give the engine up.
  bool silent() const { return watchdog_.silent(); }
  // "the engine gave no sign of life for 2000 ms"
  std::string Accusation() const;

 private:
  boost::asio::awaitable<void> Ask();

  replay::Engine& engine_;
  Tasks& tasks_;
  fencing::EngineWatchdog watchdog_;
  bool asking_ = false;
};

}  // namespace ft::primary
