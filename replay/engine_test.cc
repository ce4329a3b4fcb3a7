// SPDX-License-Identifier: GPL-2.0-or-later
//
// Engine against a program that only looks like one
// (fake_engine_for_test.cc); real engines are driven in tests/replay.
#include "replay/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <fstream>

namespace ft::replay {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr milliseconds kSoon(10'000);

class Diary : public EngineListener {
 public:
  void OnReplicaProgress(const ReplicaProgress& progress) override {
    lines.push_back(
        "replica " + progress.node + " " + std::to_string(progress.done) + "/" +
        std::to_string(progress.total) + " " + std::to_string(progress.sent));
  }
  void OnStopped() override { lines.push_back("stopped"); }
  void OnResumed() override { lines.push_back("resumed"); }
  void OnShutdown(const std::string& reason) override {
    lines.push_back("shutdown " + reason);
  }
  void OnExit(const std::string& why) override {
    lines.push_back("exit: " + why);
  }
  std::vector<std::string> lines;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        ::testing::TempDir() + "/engine." + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    std::ofstream(directory_ + "/vmlinuz") << "kernel";
    options_.binary = FAKE_ENGINE;
    options_.vm.name = "vm1";
    options_.vm.uuid = UuidFromName("vm1");
    options_.vm.memory_mib = 64;
    options_.vm.kernel = directory_ + "/vmlinuz";
    options_.vm.cmdline = "quiet";
    options_.ring_path = directory_ + "/ring";
    options_.qmp_path = directory_ + "/qmp";
    options_.console_log = directory_ + "/console";
    options_.stderr_log = directory_ + "/stderr";
  }
  void TearDown() override {
    if (engine_) {
      engine_->Kill();
      engine_->process().WaitForExit(static_cast<int>(kSoon.count()));
      engine_.reset();
    }
    io_.restart();
    io_.run();  // what is suspended ends
    std::filesystem::remove_all(directory_);
  }

  void Run(asio::awaitable<void> test) {
    bool done = false;
    asio::co_spawn(io_, std::move(test), [&](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
      done = true;
    });
    io_.restart();
    while (!done) io_.run_one();
  }
  asio::awaitable<Status> Start(milliseconds timeout = kSoon) {
    auto started = co_await Engine::Start(options_, timeout);
    if (started.ok()) {
      engine_ = std::move(*started);
      engine_->AddListener(&diary_);
    }
    co_return started.status();
  }

  asio::io_context io_;
  std::string directory_;
  EngineOptions options_;
  Diary diary_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, Start_ReachesQmpAndRing) {
  Run([this]() -> asio::awaitable<void> {
    Status started = co_await Start();
    EXPECT_TRUE(started.ok()) << started.ToString();
    EXPECT_EQ(engine_->ring().engine_build(), "test-build");
    auto state = co_await engine_->Query();
    EXPECT_TRUE(state.ok()) << state.status().ToString();
    EXPECT_TRUE(state->recording);
    EXPECT_TRUE(engine_->running());
  }());
}

TEST_F(EngineTest, Start_RefusalsAreOneLineAndLeaveNothing) {
  struct Case {
    void (*spoil)(EngineOptions&);
    const char* expected;
  };
  const Case cases[] = {
      {[](EngineOptions& o) { o.binary = "/none/qemu"; },
       "engine /none/qemu: No such file or directory"},
      {[](EngineOptions& o) { o.vm.kernel = "/none/vmlinuz"; },
       "kernel /none/vmlinuz: No such file or directory"},
      {[](EngineOptions& o) { o.vm.initrd = "/none/initrd"; },
       "initrd /none/initrd: No such file or directory"},
      {[](EngineOptions& o) { o.qmp_path = "/none/qmp"; },
       "directory /none: No such file or directory"},
      {[](EngineOptions& o) { o.vm.cmdline = "fake.die"; },
       "the engine of vm1 did not start: -device vhost: not supported"},
      {[](EngineOptions& o) { o.taps = {"tap0"}; }, "0 NICs and 1 taps"},
  };
  for (const Case& c : cases) {
    const EngineOptions good = options_;
    c.spoil(options_);
    Run([&]() -> asio::awaitable<void> {
      Status started = co_await Start();
      EXPECT_THAT(started.message(), EndsWith(c.expected));
      EXPECT_EQ(started.message().find('\n'), std::string::npos);
    }());
    options_ = good;
    EXPECT_FALSE(std::filesystem::exists(options_.ring_path)) << c.expected;
  }
}

TEST_F(EngineTest, Start_GivesUpOnASilentEngineAndEndsIt) {
  options_.vm.cmdline = "fake.mute";
  Run([this]() -> asio::awaitable<void> {
    Status started = co_await Start(milliseconds(50));
    EXPECT_EQ(started.code(), Code::kUnavailable);
    EXPECT_THAT(started.message(), HasSubstr("did not answer within 50 ms"));
  }());
  EXPECT_FALSE(std::filesystem::exists(options_.ring_path));
}

TEST_F(EngineTest, Clone_EndsWithItsEvent) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    auto clone = co_await engine_->Clone("127.0.0.1", 7610);
    EXPECT_TRUE(clone.ok()) << clone.status().ToString();
    EXPECT_EQ(clone->pause_us, 8000u);
    auto protect = co_await engine_->Protect();
    EXPECT_TRUE(protect.ok());
    Status unprotected = co_await engine_->Unprotect();
    EXPECT_TRUE(unprotected.ok());
  }());
}

TEST_F(EngineTest, Clone_FailureIsToldAndMayBeTriedAgain) {
  options_.vm.cmdline = "fake.clone=failed";
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    for (int i = 0; i < 2; ++i) {
      auto clone = co_await engine_->Clone("127.0.0.1", 7610);
      EXPECT_EQ(clone.status().message(), "the clone failed: as told");
    }
  }());
}

TEST_F(EngineTest, Clone_TellsOfReplicas) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    CloneOptions options{.replicas = "/run/vm1", .replica_rate = 7};
    auto clone =
        co_await engine_->Clone("127.0.0.1", 7610, kSoon, std::move(options));
    EXPECT_TRUE(clone.ok()) << clone.status().ToString();
  }());
  EXPECT_THAT(diary_.lines, ElementsAre("replica /run/vm1 1/2 7"));
}

TEST_F(EngineTest, Clone_ThatDoesNotMoveIsCancelled) {
  options_.vm.cmdline = "fake.endless";
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    auto clone = co_await engine_->Clone("127.0.0.1", 7610, milliseconds(20));
    EXPECT_EQ(clone.status().message(), "the clone failed: as told");
  }());
}

TEST_F(EngineTest, Clone_CanBeCancelled) {
  options_.vm.cmdline = "fake.endless";
  std::optional<Status> ended;
  auto clone = [this, &ended]() -> asio::awaitable<void> {
    auto cloned = co_await engine_->Clone("127.0.0.1", 7610, kSoon);
    ended = cloned.status();
  };
  Run([this, &clone]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    asio::co_spawn(io_, clone, asio::detached);
    // Behind the clone's beginning.
    co_await asio::post(asio::use_awaitable);
    Status cancelled = co_await engine_->CancelClone();
    EXPECT_TRUE(cancelled.ok()) << cancelled.ToString();
  }());
  while (!ended) io_.run_one();
  EXPECT_EQ(ended->message(), "the clone failed: as told");
}

TEST_F(EngineTest, GoLive_RefusalIsTheEnginesOwn) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    auto live = co_await engine_->GoLive(1);
    EXPECT_EQ(live.status().message(), "too early");
    live = co_await engine_->GoLive(0);
    EXPECT_TRUE(live.ok()) << live.status().ToString();
    EXPECT_EQ(live->drain_us, 5u);
  }());
}

TEST_F(EngineTest, Listener_HearsInOrder) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    EXPECT_TRUE((co_await engine_->Stop()).ok());
    EXPECT_TRUE((co_await engine_->Cont()).ok());
    co_await engine_->Quit(kSoon);
  }());
  EXPECT_THAT(diary_.lines,
              ElementsAre("stopped", "resumed", "shutdown host-qmp-quit",
                          "exit: the engine exited with 0 (host-qmp-quit)"));
  engine_->RemoveFiles();
  EXPECT_FALSE(std::filesystem::exists(options_.qmp_path));
}

TEST_F(EngineTest, Death_EndsWaitsAndIsTold) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    engine_->Kill();
    EXPECT_TRUE(co_await engine_->WaitExit(kSoon));
    auto state = co_await engine_->Query();
    EXPECT_EQ(state.status().code(), Code::kUnavailable);
  }());
  EXPECT_THAT(diary_.lines,
              ElementsAre("exit: the engine was killed by signal 9"));
}

// T=0 ftd starts an engine; T=1 ftd dies, the engine stays; T=2 a new ftd
// takes it over by its pid and commands it.
TEST_F(EngineTest, Attach_FindsTheEngineOfAnEarlierFtd) {
  Run([this]() -> asio::awaitable<void> {
    EXPECT_TRUE((co_await Start()).ok());
    const pid_t pid = engine_->process().pid();
    engine_.reset();
    EXPECT_EQ(kill(pid, 0), 0);
    auto attached = co_await Engine::Attach(options_, pid, kSoon);
    EXPECT_TRUE(attached.ok()) << attached.status().ToString();
    engine_ = std::move(*attached);
    auto state = co_await engine_->Query();
    EXPECT_TRUE(state.ok());
    co_await engine_->Quit(kSoon);
    EXPECT_FALSE(engine_->running());
    auto again = co_await Engine::Attach(options_, pid, kSoon);
    EXPECT_EQ(again.status().code(), Code::kInvalid);
  }());
}

}  // namespace
}  // namespace ft::replay
