// SPDX-License-Identifier: GPL-2.0-or-later
//
// The clients against a real Redis of this machine: what is wrong must be
// seen. A client that cannot fail would prove nothing.
#include <signal.h>

#include <thread>

#include "tests/chaos/history_process.h"
#include "tests/chaos/linearizability.h"
#include "tests/system/bed_fixture.h"

namespace ft::chaos {
namespace {

using bed::milliseconds;
using bed::Network;
using bed::Side;

// Debian's redis-tools has the server's program under another name; which one
// it is to be it learns from argv[0].
constexpr char kServer[] = "exec -a \"$0\" redis-check-rdb \"$@\"";

class Clients : public bed::BedTest {
 protected:
  Clients() {
    redis_ = std::make_unique<bed::ChildProcess>(bed::ChildProcess::Options{
        .argv =
            Network::Inside(bed().network().HostNamespace(Side::kA),
                            {"bash", "-c", kServer, "redis-server", "--bind",
                             "10.77.0.1", "--protected-mode", "no", "--save",
                             "", "--appendonly", "no", "--dir", bed().dir()}),
        .output_path = bed().dir() + "/redis.out",
        .error_path = bed().dir() + "/redis.err"});
    if (!bed::Eventually(milliseconds(10000),
                         [&] { return Redis({"PING"}) == "PONG\n"; })) {
      throw bed::BedError("redis-server does not answer");
    }
  }

  std::unique_ptr<HistoryProcess> Start() {
    return std::make_unique<HistoryProcess>(
        bed::SiblingProgram("history_client"),
        bed().network().ClientNamespace(),
        HistoryClientOptions{.host = "10.77.0.1",
                             .reply_deadline = milliseconds(2000),
                             .history_prefix = bed().dir() + "/history",
                             .keep_all = true},
        bed().dir() + "/clients.err");
  }

  std::string Redis(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {"redis-cli", "-h", "10.77.0.1"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return bed::Run(Network::Inside(bed().network().ClientNamespace(), argv))
        .out;
  }

  bed::ChildProcess& redis() { return *redis_; }

 private:
  std::unique_ptr<bed::ChildProcess> redis_;
};

TEST_F(Clients, HealthyServer_EverySegmentIsLinearizable) {
  auto clients = Start();
  for (int segment = 1; segment <= 3; ++segment) {
    ASSERT_TRUE(clients->WaitForMore(1000, milliseconds(10000)));
    const SegmentReport report =
        segment < 3 ? clients->Cut() : clients->Finish();
    EXPECT_EQ(report.segment, segment);
    EXPECT_TRUE(report.linearizable) << report.violation;
    EXPECT_TRUE(report.read_back);
    EXPECT_GE(report.operations, 3000u);
    EXPECT_EQ(report.unknown, 0u);
    EXPECT_EQ(report.survived, 3);
    EXPECT_EQ(report.errors, std::vector<std::string>());
    EXPECT_EQ(report.blackout_ms, 0);
    const std::vector<Operation> history = ReadHistory(report.history_file);
    EXPECT_EQ(history.size(), report.operations);
    EXPECT_TRUE(history.front().key.starts_with("s" + std::to_string(segment)));
  }
  EXPECT_EQ(Redis({"DBSIZE"}), "0\n");
}

TEST_F(Clients, Operations_OfDifferentConnectionsOverlap) {
  auto clients = Start();
  ASSERT_TRUE(clients->WaitForMore(1000, milliseconds(10000)));
  std::vector<Operation> history = ReadHistory(clients->Finish().history_file);
  std::ranges::sort(history, {}, &Operation::invoked_ns);
  int overlaps = 0;
  for (size_t i = 1; i < history.size(); ++i) {
    overlaps += history[i].invoked_ns < history[i - 1].returned_ns &&
                history[i].key == history[i - 1].key;
  }
  EXPECT_GT(overlaps, 100);
}

// Somebody takes what was acknowledged away, or does something twice.
TEST_F(Clients, LostWrites_AreAViolation) {
  auto clients = Start();
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  Redis({"FLUSHALL"});
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  const SegmentReport lost = clients->Cut();
  EXPECT_FALSE(lost.linearizable);
  EXPECT_NE(lost.violation, "");
  EXPECT_EQ(CheckHistory(ReadHistory(lost.history_file)).Text(),
            lost.violation);
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  EXPECT_TRUE(clients->Cut().linearizable) << "the next segment starts anew";
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  Redis({"EVAL",
         "for i, key in ipairs(redis.call('KEYS', '*:l*')) do "
         "redis.call('RPUSH', key, redis.call('LINDEX', key, -1)) end",
         "0"});
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  EXPECT_FALSE(clients->Finish().linearizable);
}

TEST_F(Clients, StoppedServer_IsABlackoutOfThatLength) {
  auto clients = Start();
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  clients->MarkFault();
  redis().Signal(SIGSTOP);
  EXPECT_FALSE(clients->WaitForMore(1000, milliseconds(300)));
  redis().Signal(SIGCONT);
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  const SegmentReport report = clients->Cut();
  EXPECT_TRUE(report.linearizable) << report.violation;
  EXPECT_EQ(report.survived, 3);
  EXPECT_GE(report.blackout_ms, 290);
  EXPECT_LT(report.blackout_ms, 700);
  EXPECT_LT(report.longest_gap_before_ms, 290);
  // The mark was that segment's.
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  EXPECT_EQ(clients->Finish().blackout_ms, 0);
}

TEST_F(Clients, ClosedConnection_IsUnknownAndTheOthersGoOn) {
  auto clients = Start();
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  // The oldest that is there: of the three, not the one who asks.
  const std::string list = Redis({"CLIENT", "LIST"});
  ASSERT_TRUE(list.starts_with("id=")) << list;
  Redis({"CLIENT", "KILL", "ID", list.substr(3, list.find(' ') - 3)});
  ASSERT_TRUE(bed::Eventually(milliseconds(5000),
                              [&] { return clients->Alive() == 2; }));
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  const SegmentReport report = clients->Finish();
  EXPECT_EQ(report.survived, 2);
  EXPECT_EQ(report.unknown, 1u);
  EXPECT_TRUE(report.linearizable) << report.violation;
  EXPECT_TRUE(report.read_back);
  ASSERT_EQ(report.errors.size(), 1u);
  EXPECT_TRUE(report.errors[0].starts_with("connection ")) << report.errors[0];
}

TEST_F(Clients, KilledServer_NobodySurvives) {
  auto clients = Start();
  ASSERT_TRUE(clients->WaitForMore(200, milliseconds(10000)));
  redis().Kill();
  ASSERT_TRUE(bed::Eventually(milliseconds(5000),
                              [&] { return clients->Alive() == 0; }));
  const SegmentReport report = clients->Finish();
  EXPECT_EQ(report.survived, 0);
  EXPECT_EQ(report.unknown, 3u);
  EXPECT_FALSE(report.read_back);
  EXPECT_TRUE(report.linearizable) << "what was answered was right";
}

}  // namespace
}  // namespace ft::chaos
