// SPDX-License-Identifier: GPL-2.0-or-later
//
// Condition: what a condition variable is to threads, to coroutines of one
// io_context. A coroutine waits until a predicate over plain fields holds;
// whoever changes the fields calls NotifyAll().
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <utility>

namespace ft::host {

class Condition {
 public:
  explicit Condition(boost::asio::any_io_executor executor)
      : timer_(std::move(executor)) {
    timer_.expires_at(std::chrono::steady_clock::time_point::max());
  }

  // Everyone waiting looks again.
  void NotifyAll() { timer_.cancel(); }

  // True as soon as `holds()` does, false at `deadline`. The Condition
  // outlives the wait.
  boost::asio::awaitable<bool> Wait(
      std::function<bool()> holds,
      std::chrono::steady_clock::time_point deadline) {
    boost::asio::steady_timer alarm(timer_.get_executor(), deadline);
    // The alarm wakes everyone; the others find nothing new and wait on.
    alarm.async_wait([this](boost::system::error_code error) {
      if (!error) NotifyAll();
    });
    while (!holds()) {
      if (std::chrono::steady_clock::now() >= deadline) co_return false;
      boost::system::error_code ignored;
      co_await timer_.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    co_return true;
  }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace ft::host
