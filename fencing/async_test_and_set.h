// SPDX-License-Identifier: GPL-2.0-or-later
//
// AsyncTestAndSet: a TestAndSet whose calls may hang, behind coroutines
// that never do. Each call runs in a thread of its own; if it has not ended
// by the deadline the coroutine goes on with kUnreachable and the thread is
// abandoned: it holds nothing but its own question and a share of the
// store, touches nothing of ours when it ends at last, and may go on living
// after this object and after main.
//
// An abandoned question may still be carried out by the store, later. That
// is safe: it names its epoch, so it can only win what nobody won, and the
// same contender asking again is told that it won.
//
// Not a thread pool: a hung store would fill it, and its destructor would
// wait for ever. The bound is on abandoned threads: with kMaxThreads of
// them under way further calls are answered kUnreachable at once.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fencing/test_and_set.h"

namespace ft::fencing {

class AsyncTestAndSet {
 public:
  // Retries against a hung store begin at most once in two seconds for each
  // VM, so this is a minute of hanging for one VM, 2 s for thirty. When it
  // is reached nothing is lost: the answer would be kUnreachable anyhow.
  static constexpr int kMaxThreads = 32;
  // Twenty times what a healthy store needs at its worst, and short against
  // what a client's TCP bears.
  static constexpr std::chrono::milliseconds kDeadline{1000};

  // `store` is shared with threads that may outlive this object. Coroutines
  // that await an answer must not.
  // `where` is the store in the line that says that it gave no answer.
  explicit AsyncTestAndSet(std::shared_ptr<TestAndSet> store,
                           std::chrono::milliseconds deadline = kDeadline,
                           std::string where = "the test-and-set store");

  // As TestAndSet's, with kUnreachable / kUnavailable after the deadline.
  // Await them on a serial executor: a single-threaded io_context or a
  // strand. Cancelled (coroutine destroyed): the thread is abandoned.
  boost::asio::awaitable<Result<std::optional<VmRecord>>> Read(std::string vm);
  boost::asio::awaitable<TestAndSetAnswer> Acquire(std::string vm,
                                                   uint64_t expected_epoch,
                                                   std::string contender);
  boost::asio::awaitable<Status> Release(std::string vm, uint64_t epoch,
                                         std::string holder);

  boost::asio::awaitable<Status> Probe();

  // Threads under way, abandoned ones included.
  int threads() const { return threads_->load(); }

 private:
  // Runs `question` in a thread; true if it ended before the deadline.
  // Otherwise `question` may still be running, or never have begun.
  boost::asio::awaitable<bool> Run(std::function<void()> question);
  Status NoAnswer() const;

  const std::shared_ptr<TestAndSet> store_;
  const std::chrono::milliseconds deadline_;
  const std::string where_;
  // Shared with the threads, which count themselves out.
  const std::shared_ptr<std::atomic<int>> threads_;
};

}  // namespace ft::fencing
