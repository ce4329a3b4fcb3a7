// SPDX-License-Identifier: GPL-2.0-or-later
//
// AgentBed: one host in a test, hostA, with an engine whose guest only
// counts and a store in memory. Time is real; the loop runs in RunUntil().
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>

#include "fencing/async_test_and_set.h"
#include "fencing/memory_test_and_set.h"
#include "primary/primary_agent.h"
#include "replay/engine.h"

namespace ft::primary {

class AgentBed : public ::testing::Test, public PrimaryListener {
 protected:
  using Milliseconds = std::chrono::milliseconds;

  // hostA holds epoch 1 and runs vm1.
  void SetUp() override;
  void TearDown() override;

  bool RunUntil(const std::function<bool()>& ready,
                Milliseconds timeout = std::chrono::seconds(10));
  void RunFor(Milliseconds time) {
    RunUntil([] { return false; }, time);
  }
  // Runs a coroutine of the test's own to its end.
  void Play(std::function<boost::asio::awaitable<void>()> script);
  // How many numbers have left hostA.
  size_t Outputs() const;
  fencing::VmRecord Record();
  // A port where a clone is accepted and goes nowhere.
  uint16_t CloneSink() const { return sink_->local_endpoint().port(); }

  void OnPrimaryState(State state, const std::string& why) override;
  void OnPrimaryEvent(const std::string& what) override;

  boost::asio::io_context io_;
  boost::asio::thread_pool blocking_{1};
  std::string directory_;
  replay::VmDefinition vm_;
  std::shared_ptr<fencing::MemoryTestAndSet> memory_;
  std::unique_ptr<fencing::AsyncTestAndSet> store_;
  std::unique_ptr<boost::asio::ip::tcp::acceptor> sink_;
  std::unique_ptr<replay::Engine> engine_;
  std::vector<std::string> story_;
};

}  // namespace ft::primary
