// SPDX-License-Identifier: GPL-2.0-or-later
//
// BackupAgent against a primary that is played by hand, frame by frame: what
// it takes, what it acknowledges, what it refuses.
#include <gmock/gmock.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <filesystem>

#include "backup/pair_for_test.h"
#include "fencing/output_lease.h"
#include "logchannel/connection.h"
#include "replay/replica_checksums.h"

namespace ft::backup {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using asio::awaitable;
using asio::ip::tcp;
using logchannel::LogPosition;
using logchannel::wire::FrameHeader;
using ::testing::Contains;
using ::testing::HasSubstr;
using Fault = fencing::MemoryTestAndSet::Fault;

constexpr LogPosition kCloneEnd = 8192;

class BackupProtocolTest : public PairTest {
 protected:
  void SetUp() override {
    PairTest::SetUp();
    heartbeats_ = false;
    backup_options_.own_heartbeat_port = 9;
    ASSERT_TRUE(replay::MeasureBootFiles(vm_).ok());
    ASSERT_EQ(memory_->Acquire("vm1", 0, "hostA").outcome,
              fencing::TestAndSetOutcome::kAcquired);
  }

  FrameHeader Header() {
    FrameHeader header;
    header.set_epoch(1);
    return header;
  }

  // Connects and says Hello; the reply is in reply_.
  awaitable<void> Greet() {
    logchannel::ConnectOptions to{.address = "127.0.0.1",
                                  .port = listener_->port()};
    auto connected = co_await logchannel::Connect(std::move(to));
    connection_ = *connected;
    FrameHeader header = Header();
    auto& hello = *header.mutable_hello();
    hello.set_version(logchannel::kLogChannelVersion);
    hello.set_epoch(1);
    hello.set_host("hostA");
    hello.set_engine_build("test-build");
    *hello.mutable_vm() = replay::ToWire(vm_);
    if (disk_bytes_ > 0) {
      hello.mutable_vm()->mutable_disks(0)->set_size_bytes(disk_bytes_);
    }
    hello.set_heartbeat_port(beats_a_->port());
    for (const std::string& name : offer_) hello.add_compression(name);
    co_await Send(header);
    auto frame = co_await connection_->Receive(5s);
    EXPECT_TRUE(frame.ok()) << frame.status().ToString();
    if (frame.ok()) reply_ = frame->header.hello_reply();
  }

  // The clone: number 1 comes next, at kCloneEnd.
  awaitable<void> Clone() {
    tcp::socket socket(io_);
    const tcp::endpoint to(asio::ip::address_v4::loopback(),
                           static_cast<uint16_t>(reply_.clone_port()));
    co_await socket.async_connect(to, asio::use_awaitable);
    const uint64_t state[2] = {kCloneEnd, 1};
    co_await asio::async_write(socket, asio::buffer(state),
                               asio::use_awaitable);
    FrameHeader header = Header();
    header.mutable_clone_done()->set_position(kCloneEnd);
    co_await Send(header);
  }

  // `count` numbers, as the engine would log them, from `first` on.
  awaitable<void> SendNumbers(LogPosition first, uint64_t number, int count,
                              size_t cut = 0) {
    std::vector<std::byte> bytes;
    for (int i = 0; i < count; ++i, ++number) {
      std::array<std::byte, 12> entry;
      logchannel::EncodeEntryHeader({.payload_bytes = 8},
                                    std::span(entry).first<4>());
      std::memcpy(entry.data() + 4, &number, 8);
      bytes.insert(bytes.end(), entry.begin(), entry.end());
    }
    bytes.resize(bytes.size() - cut);
    FrameHeader header = Header();
    header.mutable_entries()->set_first(first);
    const Status sent = co_await connection_->Send(header, bytes);
    EXPECT_TRUE(sent.ok());
  }

  awaitable<void> Protect(LogPosition position) {
    FrameHeader header = Header();
    header.mutable_protect()->set_position(position);
    co_await Send(header);
  }

  awaitable<void> Send(const FrameHeader& header) {
    const Status sent = co_await connection_->Send(header);
    EXPECT_TRUE(sent.ok()) << sent.ToString();
  }

  // The backup ends the connection before it sends anything but Acks.
  awaitable<void> ExpectHangUp() {
    for (;;) {
      auto frame = co_await connection_->Receive(3s);
      if (!frame.ok()) break;
      const auto message = frame->header.message_case();
      EXPECT_TRUE(message == FrameHeader::kAck || message == FrameHeader::kBye);
      if (message == FrameHeader::kBye) connection_->Close();
    }
  }

  // Reads until an Ack through `position` has come.
  awaitable<void> AwaitAck(LogPosition position) {
    LogPosition received = 0;
    while (received < position) {
      auto frame = co_await connection_->Receive(3s);
      EXPECT_TRUE(frame.ok()) << frame.status().ToString();
      if (!frame.ok()) co_return;
      received = frame->header.ack().received();
      EXPECT_LE(frame->header.ack().replayed(), received);
    }
    EXPECT_EQ(received, position);
  }

  // Greeting, clone, ten numbers, entitled.
  awaitable<void> BecomeEntitled() {
    co_await Greet();
    co_await Clone();
    co_await SendNumbers(kCloneEnd, 1, 10);
    co_await Protect(kCloneEnd + 60);
    co_await AwaitAck(kCloneEnd + 120);
  }

  uint64_t disk_bytes_ = 0;         // Hello's word about a private disk
  std::vector<std::string> offer_;  // its compression
  std::shared_ptr<logchannel::Connection> connection_;
  logchannel::wire::HelloReply reply_;
};

// I6. The primary hands over while the store hangs; entries that arrive
// after the backup has decided to contend are neither taken nor
// acknowledged, and it goes live (I5) with exactly what it acknowledged.
TEST_F(BackupProtocolTest, Contending_AcknowledgesNothingMore) {
  Play([this] { return BecomeEntitled(); });
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kProtected; }));
  StoreIs(Fault::kHangs);
  Play([this]() -> awaitable<void> {
    FrameHeader header = Header();
    header.mutable_handover()->set_final_position(kCloneEnd + 120);
    co_await Send(header);
  });
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kDeciding; }));
  Play([this]() -> awaitable<void> {
    co_await SendNumbers(kCloneEnd + 120, 11, 5);
  });
  RunFor(200ms);
  EXPECT_EQ(backup_->metrics().received, kCloneEnd + 120);
  StoreIs(Fault::kNone);
  Play([this]() -> awaitable<void> {
    for (;;) {
      auto frame = co_await connection_->Receive(3s);
      EXPECT_TRUE(frame.ok());
      if (!frame.ok()) co_return;
      EXPECT_LE(frame->header.ack().received(), kCloneEnd + 120);
      if (!frame->header.has_handover_reply()) continue;
      EXPECT_TRUE(frame->header.handover_reply().done());
      connection_->Close();
      co_return;
    }
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_EQ(backup_->metrics().received, kCloneEnd + 120);
}

// Outputs that the primary has not released are sent again from position.
TEST_F(BackupProtocolTest, GoLive_SendsWhatThePrimaryMayNotHaveReleased) {
  Play([this] { return BecomeEntitled(); });
  Play([this]() -> awaitable<void> {
    FrameHeader header = Header();
    header.mutable_vm_gone()->set_final_position(kCloneEnd + 120);
    header.mutable_vm_gone()->set_reason("killed");
    co_await Send(header);
    co_await ExpectHangUp();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_THAT(backup_end_->why, HasSubstr("killed"));
}

// A reset says that ftd is gone, not its engine: that may release what was
// acknowledged last, for as long as the output lease says.
TEST_F(BackupProtocolTest, GoLive_WaitsTheOutputLeaseOutAfterAReset) {
  Play([this] { return BecomeEntitled(); });
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kProtected; }));
  const auto before = std::chrono::steady_clock::now();
  Play([this]() -> awaitable<void> {
    co_await SendNumbers(kCloneEnd + 120, 11, 5);
    co_await AwaitAck(kCloneEnd + 180);
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_GE(std::chrono::steady_clock::now() - before, fencing::kOutputLease);
}

// The primary's lease counts from a beat that is echoed, so an echo is a
// promise like an acknowledgement: none once this side asks for the VM.
TEST_F(BackupProtocolTest, Beats_AreEchoedUntilItContends) {
  uint64_t echo = 0;
  int beats = 0;
  beats_a_->Subscribe(
      "vm1", [&](const logchannel::wire::Heartbeat& beat, const std::string&) {
        echo = beat.echo();
        ++beats;
      });
  const auto beat = [this](uint64_t sequence, uint64_t epoch) {
    logchannel::wire::Heartbeat heartbeat;
    heartbeat.set_vm("vm1");
    heartbeat.set_host("hostA");
    heartbeat.set_epoch(epoch);
    heartbeat.set_sequence(sequence);
    EXPECT_TRUE(
        beats_a_->SendTo("127.0.0.1", beats_b_->port(), heartbeat).ok());
  };
  Play([this] { return BecomeEntitled(); });
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kProtected; }));
  beat(77, 1);
  EXPECT_TRUE(RunUntil([&] { return echo == 77; }, 1s));
  beat(76, 1);
  beat(78, 1);
  EXPECT_TRUE(RunUntil([&] { return echo == 78; }, 1s));

  StoreIs(Fault::kUnreachable);
  connection_->Close();
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kDeciding; }));
  RunFor(20ms);
  beat(79, 1);
  const int heard = beats;
  ASSERT_TRUE(RunUntil([&] { return beats > heard + 1; }, 1s));
  EXPECT_EQ(echo, 0u);
  beats_a_->Unsubscribe("vm1");
}

// The newest beat that it echoed is what it waits for.
TEST_F(BackupProtocolTest, GoLive_CountsTheLeaseFromTheNewestBeat) {
  Play([this] { return BecomeEntitled(); });
  ASSERT_TRUE(
      RunUntil([this] { return backup_->state() == State::kProtected; }));
  RunFor(80ms);
  const auto before = std::chrono::steady_clock::now();
  logchannel::wire::Heartbeat heartbeat;
  heartbeat.set_vm("vm1");
  heartbeat.set_host("hostA");
  heartbeat.set_epoch(1);
  heartbeat.set_sequence(77);
  ASSERT_TRUE(beats_a_->SendTo("127.0.0.1", beats_b_->port(), heartbeat).ok());
  RunFor(20ms);
  connection_->Close();
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  ASSERT_EQ(backup_end_->end, End::kLive) << backup_end_->why;
  EXPECT_GE(std::chrono::steady_clock::now() - before, fencing::kOutputLease);
}

TEST_F(BackupProtocolTest, Bye_IsConfirmedAndNeverContends) {
  Play([this] { return BecomeEntitled(); });
  Play([this]() -> awaitable<void> {
    FrameHeader header = Header();
    header.mutable_bye()->set_reason("user-action: test");
    co_await Send(header);
    auto frame = co_await connection_->Receive(3s);
    while (frame.ok() && frame->header.has_ack()) {
      frame = co_await connection_->Receive(3s);
    }
    EXPECT_TRUE(frame.ok() && frame->header.has_bye());
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_EQ(Record().epoch, 1u);
}

// Everything below breaks the protocol before the backup is entitled: it
// hangs up, applies nothing, never contends.
class BrokenPrimaryTest : public BackupProtocolTest {
 protected:
  void ExpectHalted(LogPosition received) {
    Play([this] { return ExpectHangUp(); });
    ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
    EXPECT_EQ(backup_end_->end, End::kHalted);
    EXPECT_EQ(backup_->metrics().received, received);
    EXPECT_EQ(Record().epoch, 1u);
  }
};

TEST_F(BrokenPrimaryTest, GapInTheLog) {
  Play([this]() -> awaitable<void> {
    co_await Greet();
    co_await Clone();
    co_await SendNumbers(kCloneEnd + 12, 2, 1);
  });
  ExpectHalted(kCloneEnd);
}

TEST_F(BrokenPrimaryTest, EntryIsCut) {
  Play([this]() -> awaitable<void> {
    co_await Greet();
    co_await Clone();
    co_await SendNumbers(kCloneEnd, 1, 3, 5);
  });
  ExpectHalted(kCloneEnd);
}

TEST_F(BrokenPrimaryTest, LogBeforeTheClone) {
  Play([this]() -> awaitable<void> {
    co_await Greet();
    co_await SendNumbers(0, 1, 1);
  });
  ExpectHalted(0);
}

TEST_F(BrokenPrimaryTest, FrameOfAnotherEpoch) {
  Play([this]() -> awaitable<void> {
    co_await Greet();
    co_await Clone();
    FrameHeader header = Header();
    header.set_epoch(2);
    header.mutable_protect()->set_position(kCloneEnd);
    co_await Send(header);
  });
  ExpectHalted(kCloneEnd);
}

TEST_F(BrokenPrimaryTest, HandoverBeforeProtectIsRefused) {
  Play([this]() -> awaitable<void> {
    co_await Greet();
    co_await Clone();
    co_await SendNumbers(kCloneEnd, 1, 1);
    co_await AwaitAck(kCloneEnd + 12);
    FrameHeader header = Header();
    header.mutable_handover()->set_final_position(kCloneEnd + 12);
    co_await Send(header);
    auto frame = co_await connection_->Receive(3s);
    while (frame.ok() && frame->header.has_ack()) {
      frame = co_await connection_->Receive(3s);
    }
    EXPECT_TRUE(frame.ok() && frame->header.has_handover_reply());
    EXPECT_FALSE(frame->header.handover_reply().done());
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(Record().epoch, 1u);
}

TEST_F(BrokenPrimaryTest, RecordThatIsNotThePrimarys) {
  (void)memory_->Acquire("vm1", 1, "hostC");
  Play([this] { return Greet(); });
  EXPECT_FALSE(reply_.accepted());
  EXPECT_THAT(reply_.error(), HasSubstr("hostC"));
  connection_->Close();
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kRefused);
}

// --- Compressed log.

TEST_F(BackupProtocolTest, Compressed_WhenItWasNotAgreedOn) {
  Play([this]() -> awaitable<void> {
    co_await Greet();  // offers nothing
    EXPECT_EQ(reply_.compression(), "");
    co_await Clone();
    FrameHeader header = Header();
    header.mutable_entries()->set_first(kCloneEnd);
    header.mutable_entries()->set_size(100);
    const Status sent =
        co_await connection_->Send(header, std::vector<std::byte>(20));
    EXPECT_TRUE(sent.ok());
    co_await ExpectHangUp();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_THAT(story_, Contains(HasSubstr("which was not agreed on")));
}

TEST_F(BackupProtocolTest, Compressed_DamageEndsTheConnectionNothingApplied) {
  offer_ = {"lz4", "zstd"};
  Play([this]() -> awaitable<void> {
    co_await Greet();
    EXPECT_EQ(reply_.compression(), "zstd");
    co_await Clone();
    FrameHeader header = Header();
    header.mutable_entries()->set_first(kCloneEnd);
    header.mutable_entries()->set_size(100);
    const Status sent =
        co_await connection_->Send(header, std::vector<std::byte>(20));
    EXPECT_TRUE(sent.ok());
    co_await ExpectHangUp();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_THAT(story_, Contains(HasSubstr("compressed log of 100 bytes, 20 on "
                                         "the wire, is damaged")));
  EXPECT_EQ(backup_->metrics().received, kCloneEnd);
}

// A GiB and more, of which all but a few bytes are a hole.
TEST_F(BackupProtocolTest, PrivateDisk_ChecksumsFollowTheReply) {
  constexpr uint64_t kChunks = 1030;
  disk_bytes_ = kChunks * replay::kReplicaChunkBytes;
  GivePrivateDisk(disk_bytes_);
  std::string checksums;
  Play([this, &checksums]() -> awaitable<void> {
    co_await Greet();
    EXPECT_TRUE(reply_.accepted()) << reply_.error();
    while (checksums.size() < kChunks * replay::kReplicaChecksumBytes) {
      auto frame = co_await connection_->Receive(5s);
      EXPECT_TRUE(frame.ok() && frame->header.has_replica_checksums());
      if (!frame.ok()) co_return;
      const auto& message = frame->header.replica_checksums();
      EXPECT_EQ(message.disk(), 0u);
      EXPECT_EQ(message.first_chunk() * replay::kReplicaChecksumBytes,
                checksums.size());
      EXPECT_LE(message.checksums().size(), 1024u * 32);
      checksums += message.checksums();
    }
    co_await Clone();
    co_await SendNumbers(kCloneEnd, 1, 10);
    co_await AwaitAck(kCloneEnd + 120);
    connection_->Close();
  });
  EXPECT_EQ(checksums.substr(0, 32), checksums.substr(1029 * 32));
  ASSERT_EQ(replicas_.size(), 1u) << "the host was told";
  EXPECT_EQ(replicas_[0].bytes, disk_bytes_);
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kHalted) << "it was not entitled";
}

TEST_F(BackupProtocolTest, PrivateDisk_OfAnotherSizeIsRefused) {
  GivePrivateDisk(4096);
  disk_bytes_ = 8192;
  Play([this] { return Greet(); });
  EXPECT_FALSE(reply_.accepted());
  EXPECT_EQ(reply_.error(), "disk " + vm_.disks[0].path +
                                " has 4096 bytes, the primary's 8192");
  EXPECT_THAT(reply_.remedy(), HasSubstr("move it away there"));
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kRefused);
  EXPECT_TRUE(replicas_.empty()) << "nothing was begun";
}

// A host that is read from for hours must not go on when nobody wants it to.
TEST_F(BackupProtocolTest, PrivateDisk_ReadingEndsWithTheConnection) {
  disk_bytes_ = uint64_t{1} << 43;
  GivePrivateDisk(disk_bytes_);
  Play([this]() -> awaitable<void> {
    co_await Greet();
    auto first = co_await connection_->Receive(5s);
    EXPECT_TRUE(first.ok() && first->header.has_replica_checksums());
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kHalted);
  EXPECT_LT(backup_->metrics().replicas.at(0).done, disk_bytes_);
}

// An image that cannot be read any more is no replica.
TEST_F(BackupProtocolTest, PrivateDisk_ThatShrinksIsGivenUp) {
  disk_bytes_ = uint64_t{1} << 40;
  GivePrivateDisk(disk_bytes_);
  Play([this]() -> awaitable<void> {
    co_await Greet();
    std::filesystem::resize_file(vm_.disks[0].path, 1u << 20);
    std::string bye;
    while (bye.empty()) {
      auto frame = co_await connection_->Receive(20s);
      EXPECT_TRUE(frame.ok()) << frame.status().ToString();
      if (!frame.ok()) co_return;
      bye = frame->header.bye().reason();
    }
    EXPECT_THAT(bye, HasSubstr("initializing: disk " + vm_.disks[0].path));
    connection_->Close();
  });
  ASSERT_TRUE(RunUntil([this] { return backup_end_.has_value(); }));
  EXPECT_EQ(backup_end_->end, End::kHalted);
}

}  // namespace
}  // namespace ft::backup
