// SPDX-License-Identifier: GPL-2.0-or-later
//
// PairTest: hostA and hostB in one process, for tests of both agents. Real
// are the agents, the connection (loopback, through a relay that can be
// cut), the heartbeats, Engine with its QMP and its ring. Made up are the
// guest (counting_engine_for_test.cc) and the store (in memory, with faults
// at hand).
//
// Fault model: engines die (SIGKILL); the link between the hosts is cut for
// good, log and heartbeats alike, without a reset; the store is unreachable.
// Time is real; a test takes a second or two.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>

#include "backup/backup_agent.h"
#include "fencing/async_test_and_set.h"
#include "fencing/memory_test_and_set.h"
#include "logchannel/heartbeat_port.h"
#include "logchannel/listener.h"
#include "primary/primary_agent.h"
#include "replay/engine.h"

namespace ft::backup {

// Bytes between two TCP connections, until it is cut.
class CuttableRelay {
 public:
  CuttableRelay(boost::asio::io_context& io, uint16_t target);
  uint16_t port() const { return acceptor_.local_endpoint().port(); }
  // From now on nothing passes, and neither side is told.
  void Cut() { cut_ = true; }
  // Ends the coroutines.
  void Close();

 private:
  using Socket = boost::asio::ip::tcp::socket;
  boost::asio::awaitable<void> Accept();
  boost::asio::awaitable<void> Carry(std::shared_ptr<Socket> from,
                                     std::shared_ptr<Socket> to);

  boost::asio::ip::tcp::acceptor acceptor_;
  const uint16_t target_;
  bool cut_ = false;
  std::vector<std::shared_ptr<Socket>> sockets_;
};

class PairTest : public ::testing::Test,
                 public BackupHost,
                 public BackupListener,
                 public primary::PrimaryListener {
 protected:
  using Milliseconds = std::chrono::milliseconds;

  void SetUp() override;
  void TearDown() override;

  // --- Stage directions.
  // Words for both guests, before StartPrimary().
  void Words(const std::string& words) { words_ = words; }
  // Words for the backup's engine alone.
  void BackupWords(const std::string& words) { backup_words_ = words; }
  // hostA runs the VM, epoch 1, and asks hostB to back it up.
  void StartVm();
  void Enable();
  // As above, and waits until both sides say so.
  void Protect();
  void CutLink() { relay_->Cut(); }
  void StoreIs(fencing::MemoryTestAndSet::Fault fault) {
    memory_->SetFault(fault);
  }
  // Runs the loop until `ready` holds; false after `timeout`.
  bool RunUntil(const std::function<bool()>& ready,
                Milliseconds timeout = std::chrono::seconds(10));
  void RunFor(Milliseconds time) {
    RunUntil([] { return false; }, time);
  }
  bool BothEnded() {
    return RunUntil([this] { return primary_end_ && backup_end_; });
  }
  template <typename T>
  T Await(boost::asio::awaitable<T> task) {
    std::optional<T> result;
    boost::asio::co_spawn(io_, std::move(task),
                          [&](std::exception_ptr error, T value) {
                            if (error) std::rethrow_exception(error);
                            result = std::move(value);
                          });
    RunUntil([&] { return result.has_value(); }, std::chrono::seconds(20));
    return std::move(result.value());
  }

  // The VM has a private disk of so many bytes, before StartVm(). The hosts are
  // one machine here, so both have the same file for it; nobody writes it.
  void GivePrivateDisk(uint64_t bytes);

  // Runs a coroutine of the test's own to its end.
  void Play(std::function<boost::asio::awaitable<void>()> script);

  // --- What the audience sees.
  fencing::VmRecord Record();
  // Numbers that left hostA, then those that left hostB.
  std::vector<uint64_t> OutputsOf(const std::string& host) const;
  // Both together are 1, 2, 3, ... without a gap; how far they go.
  uint64_t CheckOutputs() const;
  bool Runs(replay::Engine* engine) const {
    return engine != nullptr && engine->running();
  }

  // BackupHost
  boost::asio::awaitable<Result<LaunchedBackup>> LaunchBackup(
      const replay::VmDefinition& vm,
      const std::vector<Replica>& replicas) override;
  bool IsLiveHere(const std::string&) override { return live_here_; }
  boost::asio::awaitable<void> KeepLog(const std::string&, LogToKeep) override {
    ++logs_kept_;
    co_return;
  }
  void BackupEngineGone(const std::string&) override { ++engines_gone_; }
  // Listeners
  void OnBackupState(State state, const std::string& why) override;
  void OnBackupEvent(const std::string& what) override;
  void OnPrimaryState(primary::State state, const std::string& why) override;
  void OnPrimaryEvent(const std::string& what) override;

  replay::EngineOptions EngineOptionsOf(const std::string& host) const;
  void StartRelay();
  boost::asio::awaitable<void> ServeBackup();
  void Note(const std::string& line);

  boost::asio::io_context io_;
  boost::asio::thread_pool blocking_{1};
  std::string directory_;
  replay::VmDefinition vm_;
  std::string words_, backup_words_;
  bool live_here_ = false;
  int engines_gone_ = 0;
  int logs_kept_ = 0;
  std::vector<Replica> replicas_;  // of the last LaunchBackup()

  std::shared_ptr<fencing::MemoryTestAndSet> memory_;
  std::unique_ptr<fencing::AsyncTestAndSet> store_;
  std::unique_ptr<logchannel::HeartbeatPort> beats_a_, beats_b_;
  std::unique_ptr<logchannel::Listener> listener_;
  std::unique_ptr<CuttableRelay> relay_;
  // 0: the real ones. A cut link must carry no heartbeats either, so tests
  // that cut it send them nowhere from the start.
  bool heartbeats_ = true;

  primary::PrimaryOptions primary_options_;
  BackupOptions backup_options_;
  std::unique_ptr<replay::Engine> engine_a_;
  std::unique_ptr<replay::Engine> engine_b_;  // after kLive
  std::unique_ptr<primary::PrimaryAgent> primary_;
  std::unique_ptr<BackupAgent> backup_;
  std::optional<primary::Outcome> primary_end_;
  std::optional<Outcome> backup_end_;
  std::vector<std::string> story_;
};

}  // namespace ft::backup
