// SPDX-License-Identifier: GPL-2.0-or-later
//
// Tasks: the coroutines of one agent. They share the agent's state on one
// thread; whoever changes it calls Notify(), and everyone in WaitUntil()
// looks again. Join() is how an agent ends: nothing of it runs afterwards.
//
// Bound: an agent spawns a handful at its start, and later one question to
// its engine at a time.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "logchannel/status.h"

namespace ft::primary {

class Tasks {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Tasks(boost::asio::any_io_executor executor)
      : executor_(std::move(executor)) {}
  // Every spawned coroutine has ended (FT_CHECK): Join() first.
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  // Runs `task` beside the caller; its end notifies.
  void Spawn(boost::asio::awaitable<void> task);
  // Shared state changed.
  void Notify();
  // True once ready() holds: asked now and after each Notify(). False at
  // `deadline` if it does not hold then.
  boost::asio::awaitable<bool> WaitUntil(std::function<bool()> ready,
                                         Time deadline);
  // Until every spawned coroutine has ended. Whoever calls it has told them.
  boost::asio::awaitable<void> Join();

 private:
  const boost::asio::any_io_executor executor_;
  std::list<boost::asio::steady_timer> waiters_;
  int running_ = 0;
};

// Runs `work`, which blocks and returns a Status, in `pool`; the caller goes
// on on its own executor. What `work` refers to outlives the wait.
template <typename Work>
boost::asio::awaitable<Status> RunIn(boost::asio::thread_pool& pool,
                                     Work work) {
  auto task = [work]() -> boost::asio::awaitable<Status> { co_return work(); };
  co_return co_await boost::asio::co_spawn(pool, std::move(task),
                                           boost::asio::use_awaitable);
}

}  // namespace ft::primary
