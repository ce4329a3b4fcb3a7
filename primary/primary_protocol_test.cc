// SPDX-License-Identifier: GPL-2.0-or-later
//
// PrimaryAgent against a backup that is played by hand, frame by frame: the
// output rule, and what a primary does with a backup that breaks its word.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "logchannel/heartbeat_port.h"
#include "logchannel/listener.h"
#include "primary/agent_bed_for_test.h"

namespace ft::primary {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::awaitable;
using logchannel::LogPosition;
using logchannel::wire::FrameHeader;
using ::testing::HasSubstr;

class PrimaryProtocolTest : public AgentBed {
 protected:
  void SetUp() override {
    AgentBed::SetUp();
    const logchannel::ListenOptions any{.address = "127.0.0.1", .port = 0};
    auto listener = logchannel::Listener::Open(io_, any);
    listener_ = std::move(listener).value();
    auto beats = logchannel::HeartbeatPort::Open(io_, any);
    beats_ = std::move(beats).value();
    auto peer_beats = logchannel::HeartbeatPort::Open(io_, any);
    peer_beats_ = std::move(peer_beats).value();
    peer_beats_->Subscribe("vm1",
                           [this](const logchannel::wire::Heartbeat& beat,
                                  const std::string&) { Echo(beat); });
    PrimaryOptions options;
    options.host = "hostA";
    options.peer = "hostB";
    options.peer_address = "127.0.0.1";
    options.peer_log_port = listener_->port();
    options.epoch = 1;
    options.vm = vm_;
    options.farewell_timeout = 300ms;
    options.run_dir = directory_;
    Prepare(options);
    agent_ = std::make_unique<PrimaryAgent>(io_, *engine_, *store_, blocking_,
                                            *beats_, *this, options);
    asio::co_spawn(io_, agent_->Run(),
                   [this](std::exception_ptr error, Outcome outcome) {
                     if (error) std::rethrow_exception(error);
                     outcome_ = std::move(outcome);
                   });
  }

  // What the VM is or how it is protected, before it is.
  virtual void Prepare(PrimaryOptions&) {}

  void TearDown() override {
    if (connection_) connection_->Close();
    agent_->Disable("the test ends");
    EXPECT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
    agent_.reset();
    listener_->Close();
    beats_.reset();
    peer_beats_.reset();
    AgentBed::TearDown();
  }

  FrameHeader Header() {
    FrameHeader header;
    header.set_epoch(1);
    return header;
  }
  awaitable<void> Send(const FrameHeader& header) {
    const Status sent = co_await connection_->Send(header);
    EXPECT_TRUE(sent.ok()) << sent.ToString();
  }
  awaitable<void> Ack(LogPosition received, LogPosition replayed) {
    FrameHeader header = Header();
    header.mutable_ack()->set_received(received);
    header.mutable_ack()->set_replayed(replayed);
    header.mutable_ack()->set_entitled(protect_ != 0 && received >= protect_);
    co_await Send(header);
  }

  awaitable<void> Welcome(std::string host = "hostB") {
    connection_ = co_await listener_->Accept();
    auto hello = co_await connection_->Receive(3s);
    EXPECT_TRUE(hello.ok() && hello->header.has_hello());
    FrameHeader header = Header();
    auto& reply = *header.mutable_hello_reply();
    reply.set_accepted(true);
    reply.set_host(host);
    reply.set_clone_port(CloneSink());
    reply.set_compression(compression_);
    reply.set_heartbeat_port(peer_beats_->port());
    co_await Send(header);
  }

  // The backup's beats: one for each of the primary's, while beating_; they
  // say which they answer while echoing_.
  void Echo(const logchannel::wire::Heartbeat& beat) {
    if (!beating_ && !echoing_) return;
    logchannel::wire::Heartbeat echo;
    echo.set_vm("vm1");
    echo.set_host("hostB");
    echo.set_epoch(1);
    echo.set_sequence(++sequence_);
    if (echoing_) echo.set_echo(beat.sequence());
    EXPECT_TRUE(beats_->SendTo("127.0.0.1", beats_->port(), echo).ok());
  }

  // Reads one frame, keeps count of the log.
  awaitable<bool> ReadOne() {
    auto frame = co_await connection_->Receive(3s);
    if (!frame.ok()) co_return false;
    const FrameHeader& header = frame->header;
    if (header.has_clone_done()) received_ = header.clone_done().position();
    if (header.has_protect()) protect_ = header.protect().position();
    if (header.has_bye()) bye_ = true;
    if (header.has_handover()) handover_ = true;
    if (header.has_entries()) {
      EXPECT_EQ(header.entries().first(), received_);
      received_ += frame->payload.size();
    }
    co_return true;
  }

  // A good backup until Protect is acknowledged.
  awaitable<void> BecomeBackup() {
    co_await Welcome();
    while (protect_ == 0 || received_ < protect_) {
      const bool more = co_await ReadOne();
      EXPECT_TRUE(more);
      if (!more) co_return;
      if (received_ != 0) co_await Ack(received_, received_);
    }
  }

  std::unique_ptr<logchannel::Listener> listener_;
  // Protected; then 150 ms without an acknowledgement or an echo, in which
  // the lease ends. Returns what the log was received through before.
  LogPosition LetTheLeaseEnd() {
    Play([this] { return BecomeBackup(); });
    EXPECT_TRUE(
        RunUntil([this] { return agent_->state() == State::kProtected; }));
    const LogPosition acknowledged = received_;
    Play([this, acknowledged]() -> awaitable<void> {
      while (received_ < acknowledged + 100 && co_await ReadOne()) {
      }
    });
    RunFor(150ms);
    return received_;
  }
  uint64_t Lease() const { return engine_->ring().lease_until(); }

  std::unique_ptr<logchannel::HeartbeatPort> beats_, peer_beats_;
  std::unique_ptr<PrimaryAgent> agent_;
  std::optional<Outcome> outcome_;
  std::shared_ptr<logchannel::Connection> connection_;
  LogPosition received_ = 0, protect_ = 0;
  bool bye_ = false, handover_ = false;
  bool beating_ = false, echoing_ = false;
  std::string compression_;  // HelloReply's
  uint64_t sequence_ = 0;
};

// I2. From Protect on the backup acknowledges nothing: nothing leaves.
TEST_F(PrimaryProtocolTest, OutputRule_NothingLeavesUnacknowledged) {
  Play([this] { return BecomeBackup(); });
  EXPECT_TRUE(
      RunUntil([this] { return agent_->state() == State::kProtected; }));
  const LogPosition acknowledged = agent_->metrics().received;
  RunFor(200ms);
  EXPECT_GT(agent_->metrics().committed, acknowledged);
  EXPECT_LE(agent_->metrics().released, acknowledged);
  const size_t held = Outputs();
  RunFor(100ms);
  EXPECT_EQ(Outputs(), held);
  Play([this, held]() -> awaitable<void> {
    while (received_ < agent_->metrics().committed && co_await ReadOne()) {
    }
    // The newest of it, for what was sent long ago lets nothing leave.
    while (Outputs() == held && co_await ReadOne()) {
      co_await Ack(received_, received_);
    }
  });
  EXPECT_GT(Outputs(), held);
}

// A backup that acknowledged may be live a lease after it took the log: by
// then the acknowledgement must be worth nothing here, however late it came.
TEST_F(PrimaryProtocolTest, OutputLease_LateAcknowledgementIsWorthNothing) {
  const LogPosition position = LetTheLeaseEnd();
  const size_t held = Outputs();
  Play([&]() -> awaitable<void> { co_await Ack(position, position); });
  ASSERT_TRUE(
      RunUntil([&] { return engine_->ring().acknowledged() == position; }));
  RunFor(30ms);
  EXPECT_EQ(Outputs(), held);
  EXPECT_NE(Lease(), logchannel::LogRing::kNoLease);
  Play([&]() -> awaitable<void> {
    while (Outputs() == held && co_await ReadOne()) {
      co_await Ack(received_, received_);
    }
  });
  EXPECT_GT(Outputs(), held);
}

// A log channel that is merely slow keeps no outputs: beats are quicker.
TEST_F(PrimaryProtocolTest, OutputLease_EchoedBeatsKeepItUp) {
  const LogPosition position = LetTheLeaseEnd();
  const size_t held = Outputs();
  Play([&]() -> awaitable<void> { co_await Ack(position, position); });
  ASSERT_TRUE(
      RunUntil([&] { return engine_->ring().acknowledged() == position; }));
  EXPECT_EQ(Outputs(), held);
  echoing_ = true;
  EXPECT_TRUE(RunUntil([&] { return Outputs() > held; }, 300ms));
}

// A backup whose every answer comes too late to be worth anything: the
// operator is told, and told when that is over.
TEST_F(PrimaryProtocolTest, OutputLease_ThatNeverLastsIsSaid) {
  beating_ = true;
  LetTheLeaseEnd();
  EXPECT_TRUE(RunUntil([this] {
    return story_.back().find("outputs wait: answers of hostB") !=
           std::string::npos;
  })) << story_.back();
  EXPECT_EQ(agent_->state(), State::kProtected);
  echoing_ = true;
  EXPECT_TRUE(RunUntil([this] {
    return story_.back().find("in virtual lockstep") != std::string::npos;
  })) << story_.back();
}

// The backup goes live at once when it reads the Handover, and waits for no
// lease: nothing may leave here from before that on.
TEST_F(PrimaryProtocolTest, OutputLease_IsRevokedByAHandover) {
  Play([this] { return BecomeBackup(); });
  ASSERT_TRUE(
      RunUntil([this] { return agent_->state() == State::kProtected; }));
  echoing_ = true;
  std::optional<Status> moved;
  asio::co_spawn(io_, agent_->Failover(),
                 [&](std::exception_ptr, Status status) { moved = status; });
  Play([this]() -> awaitable<void> {
    while (!handover_ && co_await ReadOne()) {
      co_await Ack(received_, received_);
    }
  });
  ASSERT_TRUE(handover_);
  EXPECT_EQ(Lease(), 0u);
  RunFor(120ms);
  EXPECT_EQ(Lease(), 0u) << "by an echo of a beat";
  const size_t before = Outputs();
  Play([&]() -> awaitable<void> {
    FrameHeader header = Header();
    header.mutable_handover_reply()->set_error("no");
    co_await Send(header);
    while (Outputs() <= before && co_await ReadOne()) {
      co_await Ack(received_, received_);
    }
  });
  EXPECT_GT(Outputs(), before) << "the VM is taken back";
  EXPECT_TRUE(RunUntil([&] { return moved.has_value(); }));
}

TEST_F(PrimaryProtocolTest, AcknowledgementOfTheUnsent_IsNotBelieved) {
  Play([this] { return BecomeBackup(); });
  Play([this]() -> awaitable<void> {
    co_await Ack(received_ + 1'000'000'000, received_);
  });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kAlone);
  EXPECT_EQ(Record().epoch, 2u);
  EXPECT_EQ(Record().holder, "hostA");
}

TEST_F(PrimaryProtocolTest, ResetBeforeProtect_NobodyContends) {
  Play([this]() -> awaitable<void> {
    co_await Welcome();
    while (received_ == 0 && co_await ReadOne()) {
    }
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kNotStarted);
  EXPECT_EQ(Record().epoch, 1u);
  EXPECT_EQ(engine_->ring().log_mode(), logchannel::LogMode::kDiscard);
}

TEST_F(PrimaryProtocolTest, ResetAfterProtect_TakesTheNextEpoch) {
  Play([this] { return BecomeBackup(); });
  connection_->Close();
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kAlone);
  EXPECT_EQ(outcome_->epoch, 2u);
  EXPECT_FALSE(engine_->ring().holding());
  EXPECT_EQ(Lease(), logchannel::LogRing::kNoLease);
}

TEST_F(PrimaryProtocolTest, AnotherHostAnswers_IsRefused) {
  Play([this] { return Welcome("hostC"); });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_THAT(outcome_->status.message(), HasSubstr("is hostC, not hostB"));
}

TEST_F(PrimaryProtocolTest, DisableWhileStarting_SaysBye) {
  Play([this]() -> awaitable<void> {
    co_await Welcome();
    while (received_ == 0 && co_await ReadOne()) {
    }
    agent_->Disable("changed my mind");
    while (!bye_ && co_await ReadOne()) {
    }
    connection_->Close();
  });
  EXPECT_TRUE(bye_);
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kDisabled);
  EXPECT_EQ(Record().epoch, 1u);
}

// A VM with one private disk of two MiB and a bit.
class PrivateDiskTest : public PrimaryProtocolTest {
 protected:
  void Prepare(PrimaryOptions& options) override {
    const std::string path = directory_ + "/disk.img";
    std::ofstream(path).close();
    std::filesystem::resize_file(path, (2u << 20) + 512);
    options.vm.disks = {{.path = path, .mode = "private"}};
    options.replica_timeout = 300ms;
  }
  awaitable<void> Checksums(uint64_t first, size_t count) {
    FrameHeader header = Header();
    header.mutable_replica_checksums()->set_first_chunk(first);
    header.mutable_replica_checksums()->set_checksums(
        std::string(count * 32, 'x'));
    co_await Send(header);
  }
  bool HasScratch() const {
    return std::filesystem::exists(directory_ + "/vm1.replicas");
  }
};

TEST_F(PrivateDiskTest, CloneBeginsWithAllChecksums) {
  Play([this]() -> awaitable<void> {
    co_await Welcome();
    co_await Checksums(0, 2);
  });
  RunFor(100ms);
  EXPECT_EQ(received_, 0u);
  EXPECT_EQ(agent_->metrics().replicas.at(0).done, 2u << 20);
  Play([this]() -> awaitable<void> {
    co_await Checksums(2, 1);
    bool told = false;
    while (received_ == 0) {
      auto frame = co_await connection_->Receive(3s);
      EXPECT_TRUE(frame.ok()) << frame.status().ToString();
      if (!frame.ok()) co_return;
      told = told || frame->header.has_replica_progress();
      if (frame->header.has_clone_done()) {
        received_ = frame->header.clone_done().position();
      }
    }
    EXPECT_TRUE(told) << "the backup waits for a word";
  });
  EXPECT_TRUE(agent_->metrics().replicas.at(0).complete());
  EXPECT_FALSE(HasScratch());
}

TEST_F(PrivateDiskTest, BackupThatReadsNothingIsGivenUp) {
  Play([this] { return Welcome(); });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kNotStarted);
  EXPECT_THAT(outcome_->status.ToString(),
              HasSubstr("hostB has read nothing of its replica of " +
                        directory_ + "/disk.img"));
  EXPECT_EQ(engine_->ring().log_mode(), logchannel::LogMode::kDiscard);
}

TEST_F(PrivateDiskTest, ChecksumsOfSomethingElseAreNotBelieved) {
  Play([this]() -> awaitable<void> {
    co_await Welcome();
    co_await Checksums(0, 4);
  });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kNotStarted);
  EXPECT_THAT(outcome_->status.message(), HasSubstr("hostB sent checksums"));
  EXPECT_FALSE(HasScratch());
}

TEST_F(PrimaryProtocolTest, CompressionThatWasNotOfferedIsRefused) {
  compression_ = "lz4";
  Play([this] { return Welcome(); });
  ASSERT_TRUE(RunUntil([this] { return outcome_.has_value(); }));
  EXPECT_EQ(outcome_->end, End::kNotStarted);
  EXPECT_NE(outcome_->status.message().find("compression \"lz4\""),
            std::string::npos)
      << outcome_->status.message();
}

}  // namespace
}  // namespace ft::primary
