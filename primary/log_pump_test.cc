// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogPump between a ring whose engine is played by the test and a real
// connection over loopback.
#include "primary/log_pump.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "fencing/boot_clock.h"
#include "logchannel/engine_ring_for_test.h"
#include "logchannel/listener.h"

namespace ft::primary {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using logchannel::EngineRingForTest;

constexpr LogPosition kStart = 4096;

class LogPumpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = ::testing::TempDir() + "/pump." + std::to_string(getpid());
    EngineRingForTest::Options options;
    options.path = path_;
    options.data_size = 1u << 16;
    options.position = kStart;
    engine_ = EngineRingForTest::Create(options);
    ring_ = std::move(logchannel::LogRing::Attach(path_)).value();
    const logchannel::ListenOptions any{.address = "127.0.0.1", .port = 0};
    auto opened = logchannel::Listener::Open(io_, any);
    listener_ = std::move(opened).value();
    asio::co_spawn(io_, Connect(), asio::detached);
    asio::co_spawn(io_, Accept(), asio::detached);
    ASSERT_TRUE(RunUntil([this] { return near_ && far_; }));
    protection_.OnClone(kStart);
    pump_ = std::make_unique<LogPump>(io_, *ring_, near_, 7, protection_, lag_,
                                      lease_);
    asio::co_spawn(io_, Receive(), asio::detached);
    asio::co_spawn(io_, Pump(), asio::detached);
  }

  void TearDown() override {
    pump_->Stop();
    near_->Close();
    far_->Close();
    listener_->Close();
    EXPECT_TRUE(RunUntil([this] { return pump_ended_; }));
    RunUntil([] { return false; }, 20ms);
  }

  asio::awaitable<void> Connect() {
    logchannel::ConnectOptions to{.address = "127.0.0.1",
                                  .port = listener_->port()};
    auto connected = co_await logchannel::Connect(std::move(to));
    far_ = *connected;
  }
  asio::awaitable<void> Accept() { near_ = co_await listener_->Accept(); }
  asio::awaitable<void> Pump() {
    // A connection takes no payload before a greeting.
    logchannel::wire::FrameHeader greeting;
    greeting.mutable_hello()->set_epoch(7);
    (void)co_await near_->Send(greeting);
    pump_status_ = co_await pump_->Run();

    pump_ended_ = true;
  }
  // The backup: every frame is whole entries, without a gap.
  asio::awaitable<void> Receive() {
    (void)co_await far_->Receive();
    for (;;) {
      auto frame = co_await far_->Receive();
      if (!frame.ok()) co_return;
      EXPECT_EQ(frame->header.epoch(), 7u);
      const auto& entries = frame->header.entries();
      EXPECT_EQ(entries.first(), received_);
      const Status whole =
          logchannel::ValidateEntries(frame->payload, entries.first());
      EXPECT_TRUE(whole.ok()) << whole.ToString();
      released_ = entries.released();
      received_ += frame->payload.size();
    }
  }

  bool RunUntil(const std::function<bool()>& ready,
                std::chrono::milliseconds timeout = 5s) {
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!ready()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      io_.restart();
      io_.run_one_for(2ms);
    }
    return true;
  }

  asio::io_context io_;
  std::string path_;
  std::unique_ptr<EngineRingForTest> engine_;
  std::unique_ptr<logchannel::LogRing> ring_;
  std::unique_ptr<logchannel::Listener> listener_;
  std::shared_ptr<logchannel::Connection> near_, far_;
  Protection protection_;
  LagMeter lag_;
  fencing::OutputLease lease_;
  std::unique_ptr<LogPump> pump_;
  Status pump_status_;
  bool pump_ended_ = false;
  LogPosition received_ = kStart;
  LogPosition released_ = 0;
};

TEST_F(LogPumpTest, EntriesAreNeverCut) {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    ASSERT_TRUE(RunUntil([&] {
      EXPECT_TRUE(ring_->Acknowledge(received_).ok());
      return engine_->CommitRandom(seed, seed * 37 % 9000);
    })) << "entry "
        << seed;
  }
  EXPECT_TRUE(RunUntil([&] { return received_ == ring_->committed(); }));
  EXPECT_TRUE(pump_->drained());
  EXPECT_EQ(lag_.log_bytes(), ring_->committed() - kStart);
}

TEST_F(LogPumpTest, SendsAsSoonAsTheEngineRings) {
  RunUntil([] { return false; }, 20ms);  // the pump sleeps
  engine_->set_released(kStart - 10);
  ASSERT_TRUE(engine_->CommitRandom(1, 100));
  EXPECT_TRUE(RunUntil([&] { return received_ > kStart; }, 1s));
  EXPECT_EQ(released_, kStart - 10);
}

// From before the send: the backup cannot have taken it earlier.
TEST_F(LogPumpTest, LeaseCountsFromBeforeTheSend) {
  RunUntil([] { return false; }, 20ms);  // the pump sleeps
  const fencing::Instant committed = fencing::BootNow();
  ASSERT_TRUE(engine_->CommitRandom(1, 100));
  ASSERT_TRUE(RunUntil([&] { return received_ > kStart; }, 1s));
  const fencing::Instant taken = fencing::BootNow();
  RunUntil([] { return false; }, 20ms);
  EXPECT_FALSE(lease_.MayRelease(taken));
  lease_.OnAcknowledged(received_);
  EXPECT_GE(lease_.until(), committed + fencing::kOutputLease);
  EXPECT_LE(lease_.until(), taken + fencing::kOutputLease);
}

TEST_F(LogPumpTest, FullRingResumesAfterAcknowledgement) {
  uint64_t seed = 1;
  while (engine_->CommitRandom(seed, 1000)) ++seed;
  ASSERT_TRUE(RunUntil([&] { return received_ == ring_->committed(); }));
  EXPECT_FALSE(engine_->CommitRandom(seed, 1000)) << "nothing acknowledged";
  EXPECT_TRUE(ring_->Acknowledge(received_).ok());
  ASSERT_TRUE(engine_->CommitRandom(seed, 1000));
  EXPECT_TRUE(RunUntil([&] { return received_ == ring_->committed(); }));
}

TEST_F(LogPumpTest, GoesOnAfterTheEngineDied) {
  ASSERT_TRUE(engine_->CommitRandom(1, 100));
  ASSERT_TRUE(engine_->CommitRandom(2, 100));
  engine_.reset();  // the file is gone, the mapping is not
  EXPECT_TRUE(RunUntil([&] { return received_ == ring_->committed(); }));
}

// What is no log is not sent, and the connection is not to blame.
TEST_F(LogPumpTest, DamagedRingEndsIt) {
  ASSERT_TRUE(engine_->CommitRandom(1, 100));
  ASSERT_TRUE(RunUntil([&] { return received_ == ring_->committed(); }));
  const LogPosition whole = received_;
  ASSERT_TRUE(engine_->CommitRandom(2, 100));
  engine_->data(whole) = std::byte{0xee};
  ASSERT_TRUE(RunUntil([&] { return pump_ended_; }));
  EXPECT_NE(pump_->damage().message().find("is damaged"), std::string::npos)
      << pump_->damage().message();
  EXPECT_EQ(received_, whole);
  EXPECT_TRUE(near_->open());
}

TEST_F(LogPumpTest, ReleasedBeyondTheLogIsDamage) {
  engine_->set_released(kStart + (1u << 20));
  ASSERT_TRUE(engine_->CommitRandom(1, 100));
  ASSERT_TRUE(RunUntil([&] { return pump_ended_; }));
  EXPECT_NE(pump_->damage().message().find("released"), std::string::npos)
      << pump_->damage().message();
}

TEST_F(LogPumpTest, LostConnectionEndsIt) {
  far_->Close();
  ASSERT_TRUE(RunUntil([&] {
    EXPECT_TRUE(ring_->Acknowledge(received_).ok());
    (void)engine_->CommitRandom(1, 4000);
    return pump_ended_;
  }));
  EXPECT_FALSE(pump_status_.ok());
}

}  // namespace
}  // namespace ft::primary
