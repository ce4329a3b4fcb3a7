// SPDX-License-Identifier: GPL-2.0-or-later
//
// Offload: a blocking call (storage, hashing) in a thread pool, awaited with
// a deadline by a coroutine of ftd's one io_context. A call that hangs is
// abandoned: its thread stays behind with copies of what it was given.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace ft::host {

// What `call()` returned, or nothing when it did not return in time. `where`
// is a thread pool or a strand of one. `call` owns (or outlives, as ftd's own
// parts do) whatever it touches. Make the std::function before the co_await:
// g++ 12 copies a lambda that is an argument inside it byte by byte.
template <typename R, typename Where>
boost::asio::awaitable<std::optional<R>> Offload(
    Where& where, std::chrono::milliseconds timeout, std::function<R()> call) {
  auto executor = co_await boost::asio::this_coro::executor;
  struct Shared {
    explicit Shared(boost::asio::any_io_executor e) : timer(std::move(e)) {}
    boost::asio::steady_timer timer;
    std::optional<R> result;
  };
  auto shared = std::make_shared<Shared>(executor);
  shared->timer.expires_after(timeout);
  boost::asio::post(where, [shared, executor, call = std::move(call)] {
    auto result = std::make_shared<R>(call());
    boost::asio::post(executor, [shared, result] {
      shared->result = std::move(*result);
      shared->timer.cancel();
    });
  });
  boost::system::error_code ignored;
  co_await shared->timer.async_wait(
      boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  co_return std::move(shared->result);
}

}  // namespace ft::host
