// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/async_test_and_set.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>

#include "fencing/memory_test_and_set.h"

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using Fault = MemoryTestAndSet::Fault;
using Outcome = TestAndSetOutcome;

class AsyncTestAndSetTest : public testing::Test {
 protected:
  // Abandoned threads end before the test does.
  ~AsyncTestAndSetTest() override {
    store_->SetFault(Fault::kNone);
    AwaitThreads();
  }
  void AwaitThreads() {
    while (async_.threads() > 0) std::this_thread::yield();
  }
  // Answers of `count` simultaneous questions.
  std::vector<TestAndSetAnswer> Acquire(int count = 1) {
    asio::io_context context;
    std::vector<TestAndSetAnswer> answers;
    for (int i = 0; i < count; ++i) {
      asio::co_spawn(
          context,
          [&]() -> asio::awaitable<void> {
            answers.push_back(co_await async_.Acquire("vm1", 0, "hostA"));
          },
          asio::detached);
    }
    context.run();
    return answers;
  }

  std::shared_ptr<MemoryTestAndSet> store_ =
      std::make_shared<MemoryTestAndSet>();
  AsyncTestAndSet async_{store_, 30ms};
};

TEST_F(AsyncTestAndSetTest, Answers_ComeThroughLongBeforeTheDeadline) {
  AsyncTestAndSet patient(store_, 1h);
  asio::io_context context;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        const auto won = co_await patient.Acquire("vm1", 0, "hostA");
        EXPECT_EQ(won.outcome, Outcome::kAcquired);
        const auto lost = co_await patient.Acquire("vm1", 0, "hostB");
        EXPECT_EQ(lost.outcome, Outcome::kHeldByPeer);
        EXPECT_EQ(lost.record->holder, "hostA");
        EXPECT_TRUE((co_await patient.Release("vm1", 1, "hostA")).ok());
        const auto read = co_await patient.Read("vm1");
        EXPECT_EQ(*read, (VmRecord{"vm1", 2, ""}));
      },
      [](std::exception_ptr error) { EXPECT_EQ(error, nullptr); });
  context.run();
  while (patient.threads() > 0) std::this_thread::yield();
}

TEST_F(AsyncTestAndSetTest, HungStore_IsUnreachableAtTheDeadline) {
  store_->SetFault(Fault::kHangs);
  const auto start = std::chrono::steady_clock::now();
  const auto answer = Acquire().at(0);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 30ms);
  EXPECT_EQ(answer.outcome, Outcome::kUnreachable);
  EXPECT_EQ(answer.error.ToString(),
            "the test-and-set store gave no answer within 30 ms; "
            "check the storage and the network to it");
  EXPECT_EQ(async_.threads(), 1) << "abandoned";
}

// The context is gone when the thread ends: it must touch nothing of it.
TEST_F(AsyncTestAndSetTest, HungStore_LateWinIsToldToTheNextQuestion) {
  store_->SetFault(Fault::kHangs);
  Acquire();
  store_->SetFault(Fault::kNone);
  AwaitThreads();
  EXPECT_EQ(store_->Acquire("vm1", 0, "hostB").outcome, Outcome::kHeldByPeer);
  EXPECT_EQ(Acquire().at(0).outcome, Outcome::kAcquired);
}

TEST_F(AsyncTestAndSetTest, HungStore_ThreadsAreBounded) {
  store_->SetFault(Fault::kHangs);
  const int asked = 2 * AsyncTestAndSet::kMaxThreads;
  const auto answers = Acquire(asked);
  ASSERT_EQ(answers.size(), static_cast<size_t>(asked));
  for (const auto& answer : answers) {
    EXPECT_EQ(answer.outcome, Outcome::kUnreachable);
  }
  EXPECT_EQ(async_.threads(), AsyncTestAndSet::kMaxThreads);
  while (store_->calls() < AsyncTestAndSet::kMaxThreads) {
    std::this_thread::yield();
  }
  store_->SetFault(Fault::kNone);
  AwaitThreads();
  EXPECT_EQ(Acquire().at(0).outcome, Outcome::kAcquired) << "and come back";
}

// ftd stops in the middle of a question.
TEST_F(AsyncTestAndSetTest, Destroyed_CoroutineAbandonsItsThread) {
  store_->SetFault(Fault::kHangs);
  auto async = std::make_unique<AsyncTestAndSet>(store_, 1h);
  {
    asio::io_context context;
    asio::co_spawn(context, async->Acquire("vm1", 0, "hostA"), asio::detached);
    context.poll();
    EXPECT_EQ(async->threads(), 1);
  }
  store_->SetFault(Fault::kNone);
  while (async->threads() > 0) std::this_thread::yield();
  EXPECT_EQ(store_->Acquire("vm1", 0, "hostB").outcome, Outcome::kHeldByPeer);
}

// All of ours is gone; the store lives on until its thread is done with it.
TEST(AsyncTestAndSetLife, StoreIsKeptForItsAbandonedThread) {
  auto store = std::make_shared<MemoryTestAndSet>();
  const std::weak_ptr<MemoryTestAndSet> seen = store;
  store->SetFault(Fault::kHangs);
  {
    asio::io_context context;
    AsyncTestAndSet async(std::move(store), 10ms);
    asio::co_spawn(context, async.Acquire("vm1", 0, "hostA"), asio::detached);
    context.run();
  }
  ASSERT_FALSE(seen.expired());
  seen.lock()->SetFault(Fault::kNone);
  while (!seen.expired()) std::this_thread::yield();
}

}  // namespace
}  // namespace ft::fencing
