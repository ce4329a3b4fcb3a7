// SPDX-License-Identifier: GPL-2.0-or-later
#include "logchannel/heartbeat_port.h"

#include <gmock/gmock.h>

#include <boost/asio/ip/udp.hpp>

#include "logchannel/net_test.h"

namespace ft::logchannel {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;
using ::testing::HasSubstr;

wire::Heartbeat Beat(const std::string& vm, uint64_t sequence) {
  wire::Heartbeat heartbeat;
  heartbeat.set_vm(vm);
  heartbeat.set_sequence(sequence);
  return heartbeat;
}

class HeartbeatPortTest : public NetTest {
 protected:
  HeartbeatPortTest() : primary_(Open()), backup_(Open()) {}

  std::unique_ptr<HeartbeatPort> Open() {
    auto port = HeartbeatPort::Open(io_, {.address = "127.0.0.1"});
    EXPECT_TRUE(port.ok()) << port.status().message();
    return std::move(*port);
  }

  void SendToBackup(const wire::Heartbeat& heartbeat) {
    const Status sent =
        primary_->SendTo("127.0.0.1", backup_->port(), heartbeat);
    EXPECT_TRUE(sent.ok()) << sent.message();
  }

  void SendRawToBackup(const std::string& bytes) {
    udp::socket stranger(io_, udp::v4());
    stranger.send_to(
        asio::buffer(bytes),
        udp::endpoint(asio::ip::address_v4::loopback(), backup_->port()));
  }

  // Until done() or the limit; loopback delivers at once.
  template <typename Done>
  bool RunUntil(Done done) {
    const auto limit = std::chrono::steady_clock::now() + kRunLimit;
    while (!done() && std::chrono::steady_clock::now() < limit) {
      io_.run_one_for(std::chrono::milliseconds(100));
    }
    return done();
  }

  std::unique_ptr<HeartbeatPort> primary_;
  std::unique_ptr<HeartbeatPort> backup_;
};

TEST_F(HeartbeatPortTest, BeatsReachTheSubscriberOfTheirVm) {
  std::vector<std::string> seen;
  auto note = [&](const wire::Heartbeat& beat, const std::string& sender) {
    seen.push_back(beat.vm() + "#" + std::to_string(beat.sequence()) + " " +
                   sender);
  };
  backup_->Subscribe("vm1", note);
  backup_->Subscribe("vm2", note);
  SendToBackup(Beat("vm1", 1));
  SendToBackup(Beat("vm2", 5));
  SendToBackup(Beat("vm1", 2));
  EXPECT_TRUE(RunUntil([&] { return seen.size() == 3; }));
  EXPECT_THAT(seen, ::testing::ElementsAre("vm1#1 127.0.0.1", "vm2#5 127.0.0.1",
                                           "vm1#2 127.0.0.1"));
}

TEST_F(HeartbeatPortTest, GarbageIsCountedAndThePortLives) {
  int beats = 0;
  backup_->Subscribe("vm1", [&](auto&, auto&) { ++beats; });
  SendRawToBackup("");
  SendRawToBackup("FTHB");
  SendRawToBackup(std::string(2000, 'x'));
  SendToBackup(Beat("vm1", 1));
  EXPECT_TRUE(RunUntil([&] { return beats == 1; }));
  EXPECT_EQ(backup_->refused_datagrams(), 3u);
}

TEST_F(HeartbeatPortTest, BeatForNobodyIsCounted) {
  SendToBackup(Beat("vm9", 1));
  EXPECT_TRUE(RunUntil([&] { return backup_->unclaimed_heartbeats() == 1; }));
}

TEST_F(HeartbeatPortTest, SubscriberMayUnsubscribeItself) {
  int beats = 0;
  backup_->Subscribe("vm1", [&](auto&, auto&) {
    ++beats;
    backup_->Unsubscribe("vm1");
  });
  SendToBackup(Beat("vm1", 1));
  SendToBackup(Beat("vm1", 2));
  EXPECT_TRUE(RunUntil([&] { return backup_->unclaimed_heartbeats() == 1; }));
  EXPECT_EQ(beats, 1);
}

TEST_F(HeartbeatPortTest, CallbackMayDestroyThePort) {
  bool called = false;
  backup_->Subscribe("vm1", [&](auto&, auto&) {
    backup_.reset();
    called = true;
  });
  SendToBackup(Beat("vm1", 1));
  EXPECT_TRUE(RunUntil([&] { return called; }));
  io_.poll();
}

TEST_F(HeartbeatPortTest, UnsendableBeatIsAStatus) {
  EXPECT_THAT(primary_->SendTo("hostB", 1, Beat("vm1", 1)).message(),
              HasSubstr("'hostB' is not an IP address"));
  // No route from a socket bound to loopback.
  EXPECT_EQ(primary_->SendTo("192.0.2.1", 1, Beat("vm1", 1)).code(),
            Code::kUnavailable);
}

TEST_F(HeartbeatPortTest, PortInUseIsRefusedNamingTheSettings) {
  auto second = HeartbeatPort::Open(
      io_, {.address = "127.0.0.1", .port = primary_->port()});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(second.status().message(), HasSubstr("Address already in use"));
  EXPECT_THAT(second.status().remedy(), HasSubstr("`heartbeat_port`"));
}

}  // namespace
}  // namespace ft::logchannel
