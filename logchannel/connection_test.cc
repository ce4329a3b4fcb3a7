// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/connection.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "logchannel/engine_ring_for_test.h"
#include "logchannel/net_test.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using ::testing::HasSubstr;
using Bytes = std::vector<std::byte>;
using ConnectionTest = NetTest;
using ConnectionPairTest = PairTest;

TEST_F(ConnectionPairTest, FramesArriveInOrderBothWays) {
  const Bytes payload = PayloadForTest(1, 5000);
  Run([](Connection* primary, Connection* backup,
         const Bytes& payload) -> Task {
    EXPECT_TRUE((co_await primary->Send(HelloHeader())).ok());
    EXPECT_TRUE((co_await primary->Send(EntriesHeader(7), payload)).ok());
    auto hello = co_await backup->Receive();
    EXPECT_TRUE(hello.ok() && hello->header.has_hello());
    auto entries = co_await backup->Receive();
    EXPECT_TRUE(entries.ok());
    if (!entries.ok()) co_return;
    EXPECT_EQ(entries->payload, payload);
    EXPECT_TRUE((co_await backup->Send(AckHeader(42))).ok());
    auto ack = co_await primary->Receive(milliseconds(1000));
    EXPECT_TRUE(ack.ok());
    if (!ack.ok()) co_return;
    EXPECT_EQ(ack->header.ack().received(), 42u);
  }(primary_.get(), backup_.get(), payload));
  EXPECT_EQ(primary_->bytes_sent(), backup_->bytes_received());
  EXPECT_EQ(backup_->bytes_sent(), primary_->bytes_received());
  EXPECT_EQ(primary_->peer_address(), "127.0.0.1");
}

// Eight pumps send payloads that overfill the socket's buffer, so that their
// sends overlap and queue up; every frame must come out whole.
TEST_F(ConnectionPairTest, OverlappingSendsDoNotMix) {
  constexpr int kPumps = 8;
  constexpr int kRounds = 4;
  Run([](Connection* primary, Connection* backup) -> Task {
    EXPECT_TRUE((co_await primary->Send(HelloHeader())).ok());
    EXPECT_TRUE((co_await backup->Receive()).ok());
  }(primary_.get(), backup_.get()));
  for (int pump = 0; pump < kPumps; ++pump) {
    Spawn([](Connection* primary, int pump) -> Task {
      for (int round = 0; round < kRounds; ++round) {
        const Bytes payload = PayloadForTest(pump * kRounds + round, 700'000);
        auto sent = co_await primary->Send(
            EntriesHeader(pump * kRounds + round), payload);
        EXPECT_TRUE(sent.ok()) << sent.message();
      }
    }(primary_.get(), pump));
  }
  Spawn([](Connection* backup) -> Task {
    std::vector<int> next(kPumps, 0);
    for (int i = 0; i < kPumps * kRounds; ++i) {
      auto frame = co_await backup->Receive();
      EXPECT_TRUE(frame.ok()) << frame.status().message();
      if (!frame.ok()) co_return;
      const uint64_t first = frame->header.entries().first();
      EXPECT_EQ(frame->payload, PayloadForTest(first, 700'000));
      EXPECT_EQ(first % kRounds, next[first / kRounds]++) << "out of order";
    }
  }(backup_.get()));
  Run();
}

TEST_F(ConnectionPairTest, SendQueueOverItsBoundRefusesAndHarmsNothing) {
  const Bytes large = PayloadForTest(1, kFramePayloadBytesMax);
  int sent = 0;
  int refused = 0;
  Run([](Connection* primary, Connection* backup) -> Task {
    EXPECT_TRUE((co_await primary->Send(HelloHeader())).ok());
    EXPECT_TRUE((co_await backup->Receive()).ok());
  }(primary_.get(), backup_.get()));
  auto send = [](Connection* primary, const Bytes& payload, int& sent,
                 int& refused) -> Task {
    auto status = co_await primary->Send(EntriesHeader(0), payload);
    ++(status.ok() ? sent : refused);
    if (!status.ok()) {
      EXPECT_THAT(status.message(), HasSubstr("64 sends wait for peer"));
    }
  };
  const Bytes nothing;
  Spawn(send(primary_.get(), large, sent, refused));
  for (size_t i = 0; i < kSendQueueMax + 3; ++i) {
    Spawn(send(primary_.get(), nothing, sent, refused));
  }
  Spawn([](Connection* backup) -> Task {
    for (size_t i = 0; i < kSendQueueMax + 1; ++i) {
      EXPECT_TRUE((co_await backup->Receive()).ok());
    }
  }(backup_.get()));
  Run();
  EXPECT_EQ(sent, 1 + static_cast<int>(kSendQueueMax));
  EXPECT_EQ(refused, 3);
  EXPECT_TRUE(primary_->open());
}

TEST_F(ConnectionPairTest, LossIsReportedOnceAndRemembered) {
  int losses = 0;
  std::string why;
  backup_->OnLoss([&](const Status& status) {
    ++losses;
    why = status.message();
  });
  // A send that is stuck in a full socket and a receive meet the same end.
  Run([](Connection* primary, Connection* backup) -> Task {
    EXPECT_TRUE((co_await primary->Send(HelloHeader())).ok());
    EXPECT_TRUE((co_await backup->Receive()).ok());
  }(primary_.get(), backup_.get()));
  const Bytes large = PayloadForTest(1, kFramePayloadBytesMax);
  Spawn([](Connection* backup, const Bytes& large) -> Task {
    EXPECT_FALSE((co_await backup->Send(EntriesHeader(0), large)).ok());
  }(backup_.get(), large));
  Spawn([](Connection* backup) -> Task {
    EXPECT_FALSE((co_await backup->Receive()).ok());
  }(backup_.get()));
  Spawn([](std::shared_ptr<Connection>& primary) -> Task {
    primary->Close();
    co_return;
  }(primary_));
  Run();
  EXPECT_EQ(losses, 1);
  EXPECT_FALSE(backup_->open());
  Run([](Connection* backup, const std::string& why) -> Task {
    EXPECT_EQ((co_await backup->Receive()).status().message(), why);
    EXPECT_EQ((co_await backup->Send(AckHeader(1))).message(), why);
  }(backup_.get(), why));
  EXPECT_EQ(losses, 1);
}

TEST_F(ConnectionPairTest, OrderlyEndSaysWhoClosed) {
  primary_->Close();
  Run([](Connection* primary, Connection* backup) -> Task {
    EXPECT_THAT((co_await backup->Receive()).status().message(),
                HasSubstr("closed the connection"));
    EXPECT_THAT((co_await primary->Receive()).status().message(),
                HasSubstr("was closed by this host"));
  }(primary_.get(), backup_.get()));
}

TEST_F(ConnectionPairTest, OwnCloseIsNoLossAndEndsAWaitingReceive) {
  bool lost = false;
  backup_->OnLoss([&](const Status&) { lost = true; });
  Spawn([](Connection* backup) -> Task {
    EXPECT_THAT((co_await backup->Receive()).status().message(),
                HasSubstr("was closed by this host"));
  }(backup_.get()));
  Spawn([](Connection* backup) -> Task {
    backup->Close();
    co_return;
  }(backup_.get()));
  Run();
  EXPECT_FALSE(lost);
}

TEST_F(ConnectionPairTest, SilentPeerIsLostAfterTheTimeout) {
  Run([](Connection* backup) -> Task {
    auto frame = co_await backup->Receive(milliseconds(30));
    EXPECT_THAT(frame.status().message(),
                HasSubstr("sent no message within 30 ms"));
  }(backup_.get()));
  EXPECT_FALSE(backup_->open());
}

TEST_F(ConnectionPairTest, AnsweringPeerDisarmsTheTimeout) {
  Run([](Connection* primary, Connection* backup) -> Task {
    EXPECT_TRUE((co_await primary->Send(HelloHeader())).ok());
    EXPECT_TRUE((co_await backup->Receive(milliseconds(40))).ok());
    asio::steady_timer timer(co_await asio::this_coro::executor,
                             milliseconds(80));
    co_await timer.async_wait(asio::use_awaitable);
  }(primary_.get(), backup_.get()));
  EXPECT_TRUE(backup_->open());
}

TEST_F(ConnectionPairTest, SuspendedReceiveKeepsTheConnectionAlive) {
  std::weak_ptr<Connection> watched = backup_;
  Spawn([](std::shared_ptr<Connection>& backup) -> Task {
    auto receive = backup->Receive();
    backup.reset();
    EXPECT_FALSE((co_await std::move(receive)).ok());
  }(backup_));
  Spawn([](std::shared_ptr<Connection>& primary) -> Task {
    primary->Close();
    co_return;
  }(primary_));
  Run();
  EXPECT_TRUE(watched.expired());
}

TEST_F(ConnectionTest, RefusedConnectNamesThePeer) {
  const uint16_t port = Listen()->port();  // closed again
  Run([](uint16_t port) -> Task {
    ConnectOptions options{.address = "127.0.0.1", .port = port};
    auto connected = co_await Connect(options);
    EXPECT_EQ(connected.status().message(),
              "cannot connect to peer 127.0.0.1:" + std::to_string(port) +
                  ": Connection refused");
    EXPECT_THAT(connected.status().remedy(), HasSubstr("ftd runs there"));
  }(port));
}

TEST_F(ConnectionTest, UnansweredConnectEndsAtItsTimeout) {
  // A listener whose backlog is full drops further SYNs.
  tcp::acceptor full(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  full.listen(0);
  tcp::socket filler(io_);
  filler.connect(full.local_endpoint());
  Run([](uint16_t port) -> Task {
    ConnectOptions options{
        .address = "127.0.0.1", .port = port, .timeout = milliseconds(50)};
    auto connected = co_await Connect(options);
    EXPECT_THAT(connected.status().message(),
                HasSubstr("no answer within 50 ms"));
  }(full.local_endpoint().port()));
}

TEST_F(ConnectionTest, HostNameIsRefused) {
  Run([]() -> Task {
    ConnectOptions options{.address = "hostB", .port = 1};
    auto connected = co_await Connect(options);
    EXPECT_THAT(connected.status().message(),
                HasSubstr("'hostB' is not an IP address"));
  }());
}

// A stream that only remembers what it was asked to write.
class NotingStream : public ByteStream {
 public:
  using Write2 = std::array<asio::const_buffer, 2>;
  explicit NotingStream(std::vector<Write2>& writes) : writes_(writes) {}
  std::string peer() const override { return "nobody:0"; }
  std::string peer_address() const override { return "nobody"; }
  asio::awaitable<Result<size_t>> Read(std::span<std::byte>) override {
    co_return Status::Unavailable("nothing to read");
  }
  asio::awaitable<Status> Write(Write2 buffers) override {
    writes_.push_back(buffers);
    co_return Status::Ok();
  }
  void Close() override {}

 private:
  std::vector<Write2>& writes_;
};

TEST_F(ConnectionTest, FrameIsOneWriteAndThePayloadIsNotCopied) {
  std::vector<NotingStream::Write2> writes;
  auto connection = Connection::Over(std::make_unique<NotingStream>(writes));
  const Bytes payload = PayloadForTest(1, 300);
  Run([](Connection* connection, const Bytes& payload) -> Task {
    EXPECT_TRUE((co_await connection->Send(EntriesHeader(0), payload)).ok());
  }(connection.get(), payload));
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0][1].data(), payload.data());
  EXPECT_EQ(writes[0][1].size(), payload.size());
}

// --- Strangers at the door.

class StrangerTest : public NetTest {
 protected:
  // What a connection says that was sent `bytes` by a stranger who stays.
  Status Refusal(std::string bytes) {
    auto listener = Listen();
    Status status;
    Spawn([](Listener* listener, Status& status) -> Task {
      auto connection = co_await listener->Accept();
      status = (co_await connection->Receive(milliseconds(200))).status();
    }(listener.get(), status));
    tcp::socket stranger(io_);
    stranger.connect(
        tcp::endpoint(asio::ip::address_v4::loopback(), listener->port()));
    asio::write(stranger, asio::buffer(bytes));
    Run();
    return status;
  }
};

TEST_F(StrangerTest, GarbageIsRefusedInOneLineThatNamesThePeer) {
  const Status status = Refusal("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status.code(), Code::kInvalid);
  EXPECT_THAT(status.message(), HasSubstr("peer 127.0.0.1:"));
  EXPECT_THAT(status.message(),
              HasSubstr("not a log channel frame (wrong magic)"));
}

TEST_F(StrangerTest, FrameOverTheLimitIsRefused) {
  const std::string prefix("FTLG\xff\xff\xff\x7f\0\0\0\0\0\0\0\0", 16);
  EXPECT_THAT(Refusal(prefix).message(),
              HasSubstr("frame header of 2147483647 bytes, limit 65536"));
}

TEST_F(StrangerTest, HalfAFrameIsWaitedForNoLongerThanTheTimeout) {
  EXPECT_THAT(Refusal("FTL").message(),
              HasSubstr("sent no message within 200 ms"));
}

}  // namespace
}  // namespace ft::logchannel
