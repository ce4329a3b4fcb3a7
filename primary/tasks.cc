// SPDX-License-Identifier: GPL-2.0-or-later
#include "primary/tasks.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>

#include "logchannel/check.h"

namespace ft::primary {

namespace asio = boost::asio;

Tasks::~Tasks() {
  FT_CHECK(running_ == 0) << running_ << " coroutines of an agent still run";
}

void Tasks::Spawn(asio::awaitable<void> task) {
  ++running_;
  asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
    --running_;
    Notify();
  });
}

void Tasks::Notify() {
  for (asio::steady_timer& waiter : waiters_) waiter.cancel();
}

asio::awaitable<bool> Tasks::WaitUntil(std::function<bool()> ready,
                                       Time deadline) {
  while (!ready()) {
    if (std::chrono::steady_clock::now() >= deadline) co_return false;
    const auto waiter = waiters_.emplace(waiters_.end(), executor_, deadline);
    boost::system::error_code woken;
    co_await waiter->async_wait(
        asio::redirect_error(asio::use_awaitable, woken));
    waiters_.erase(waiter);
  }
  co_return true;
}

asio::awaitable<void> Tasks::Join() {
  while (running_ > 0) {
    co_await WaitUntil(
        [this] { return running_ == 0; },
        std::chrono::steady_clock::now() + std::chrono::hours(24));
  }
}

}  // namespace ft::primary
