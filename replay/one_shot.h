// SPDX-License-Identifier: GPL-2.0-or-later
//
// OneShot<T>: a value that one coroutine waits for and somebody else sets
// once. Single-threaded; held by shared_ptr by both, so either may go first.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace ft::replay {

template <typename T>
class OneShot {
 public:
  explicit OneShot(const boost::asio::any_io_executor& executor)
      : timer_(executor) {}

  // Without effect after the first time.
  void Set(T value) {
    if (value_) return;
    value_.emplace(std::move(value));
    timer_.cancel();
  }

  // The value, or nothing after `timeout`. One waiter at a time.
  boost::asio::awaitable<std::optional<T>> Wait(
      std::chrono::milliseconds timeout) {
    if (!value_) {
      timer_.expires_after(timeout);
      boost::system::error_code ignored;
      co_await timer_.async_wait(
          boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
    co_return value_;
  }

 private:
  boost::asio::steady_timer timer_;
  std::optional<T> value_;
};

}  // namespace ft::replay
