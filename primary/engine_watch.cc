// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/engine_watch.h"

#include "replay/engine.h"

namespace ft::primary {

namespace {

fencing::Instant Now() { return std::chrono::steady_clock::now(); }

}  // namespace

EngineWatch::EngineWatch(replay::Engine& engine, Tasks& tasks,
                         const fencing::EngineWatchdogOptions& options)
    : engine_(engine), tasks_(tasks), watchdog_(options, Now()) {}

void EngineWatch::Beat(uint64_t mark) {
  watchdog_.Look(Now(), mark);
  if (asking_ || !watchdog_.wants_answer()) return;
  asking_ = true;
  tasks_.Spawn(Ask());
}

// An error is an answer too; kUnavailable is none.
boost::asio::awaitable<void> EngineWatch::Ask() {
  const auto state = co_await engine_.Query(watchdog_.limit());
  if (state.ok() || state.status().code() != Code::kUnavailable) {
    watchdog_.OnAnswer(Now());
  }
  asking_ = false;
}

std::string EngineWatch::Accusation() const {
  return "the engine gave no sign of life for " +
         std::to_string(watchdog_.limit().count()) + " ms";
}

}  // namespace ft::primary
