// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/async_test_and_set.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>
#include <system_error>
#include <thread>

namespace ft::fencing {
namespace asio = boost::asio;
namespace {

// What a waiting coroutine and its thread share. The thread may outlive the
// executor, so it touches `executor` and `timer` only while `waiting`, under
// the mutex; the coroutine ends that on every way out.
struct Rendezvous {
  std::mutex mutex;
  bool waiting = true;                  // under mutex
  bool done = false;                    // under mutex
  asio::any_io_executor executor;       // under mutex, while waiting
  asio::steady_timer* timer = nullptr;  // on the executor, while waiting
};

// Wakes the coroutine, if it is still there.
void Done(const std::shared_ptr<Rendezvous>& rendezvous) {
  std::lock_guard lock(rendezvous->mutex);
  rendezvous->done = true;
  if (!rendezvous->waiting) return;
  asio::post(rendezvous->executor, [rendezvous] {
    if (rendezvous->timer != nullptr) rendezvous->timer->cancel();
  });
}

// Lives in the coroutine's frame: leaving it, by return or by destruction,
// abandons the thread.
class Waiting {
 public:
  Waiting(std::shared_ptr<Rendezvous> rendezvous, asio::steady_timer& timer)
      : rendezvous_(std::move(rendezvous)) {
    rendezvous_->executor = timer.get_executor();
    rendezvous_->timer = &timer;
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { Stop(); }

  // True if the thread was done before.
  bool Stop() {
    std::lock_guard lock(rendezvous_->mutex);
    rendezvous_->waiting = false;
    rendezvous_->executor = {};
    rendezvous_->timer = nullptr;
    return rendezvous_->done;
  }

 private:
  const std::shared_ptr<Rendezvous> rendezvous_;
};

}  // namespace

AsyncTestAndSet::AsyncTestAndSet(std::shared_ptr<TestAndSet> store,
                                 std::chrono::milliseconds deadline,
                                 std::string where)
    : store_(std::move(store)),
      deadline_(deadline),
      where_(std::move(where)),
      threads_(std::make_shared<std::atomic<int>>(0)) {}

asio::awaitable<bool> AsyncTestAndSet::Run(std::function<void()> question) {
  if (threads_->load() >= kMaxThreads) co_return false;
  asio::steady_timer timer(co_await asio::this_coro::executor, deadline_);
  auto rendezvous = std::make_shared<Rendezvous>();
  Waiting waiting(rendezvous, timer);
  threads_->fetch_add(1);
  try {
    std::thread([question = std::move(question), rendezvous,
                 threads = threads_]() mutable {
      question();
      question = nullptr;  // gives the store back before it is counted out
      Done(rendezvous);
      threads->fetch_sub(1);
    }).detach();
  } catch (const std::system_error&) {  // no more threads: as if it hung
    threads_->fetch_sub(1);
    co_return false;
  }
  boost::system::error_code cancelled;
  co_await timer.async_wait(
      asio::redirect_error(asio::use_awaitable, cancelled));
  co_return waiting.Stop();
}

Status AsyncTestAndSet::NoAnswer() const {
  return Status::Unavailable(where_ + " gave no answer within " +
                                 std::to_string(deadline_.count()) + " ms",
                             "check the storage and the network to it");
}

// The questions below have names because g++ 12 copies a closure that is a
// temporary of a co_await byte by byte, and destroys it twice.

asio::awaitable<Result<std::optional<VmRecord>>> AsyncTestAndSet::Read(
    std::string vm) {
  using Answer = Result<std::optional<VmRecord>>;
  auto answer = std::make_shared<std::optional<Answer>>();
  std::function<void()> question = [store = store_, vm, answer] {
    answer->emplace(store->Read(vm));
  };
  const bool answered = co_await Run(std::move(question));
  if (!answered) co_return NoAnswer();
  co_return std::move(**answer);
}

asio::awaitable<TestAndSetAnswer> AsyncTestAndSet::Acquire(
    std::string vm, uint64_t expected_epoch, std::string contender) {
  auto answer = std::make_shared<TestAndSetAnswer>();
  std::function<void()> question = [store = store_, vm, expected_epoch,
                                    contender, answer] {
    *answer = store->Acquire(vm, expected_epoch, contender);
  };
  const bool answered = co_await Run(std::move(question));
  if (!answered) co_return TestAndSetAnswer::Unreachable(NoAnswer());
  co_return std::move(*answer);
}

asio::awaitable<Status> AsyncTestAndSet::Release(std::string vm, uint64_t epoch,
                                                 std::string holder) {
  auto answer = std::make_shared<Status>();
  std::function<void()> question = [store = store_, vm, epoch, holder, answer] {
    *answer = store->Release(vm, epoch, holder);
  };
  const bool answered = co_await Run(std::move(question));
  if (!answered) co_return NoAnswer();
  co_return std::move(*answer);
}

asio::awaitable<Status> AsyncTestAndSet::Probe() {
  auto answer = std::make_shared<Status>();
  std::function<void()> question = [store = store_, answer] {
    *answer = store->Probe();
  };
  const bool answered = co_await Run(std::move(question));
  if (!answered) co_return NoAnswer();
  co_return std::move(*answer);
}

}  // namespace ft::fencing
