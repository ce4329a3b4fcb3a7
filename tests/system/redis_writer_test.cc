// SPDX-License-Identifier: GPL-2.0-or-later
//
// The writer against a real Redis on host A's address: it must see what is
// lost, what is wrong, how long a silence was, and when its connection is
// gone. A client that cannot fail would prove nothing.
#include <signal.h>

#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

// Debian's redis-tools has the server's program under another name; which one
// it is to be it learns from argv[0]. The package redis-server would also
// install a service, and this machine is not ours.
constexpr char kServer[] = "exec -a \"$0\" redis-check-rdb \"$@\"";

class Writer : public BedTest {
 protected:
  Writer() {
    redis_ = std::make_unique<ChildProcess>(ChildProcess::Options{
        .argv =
            Network::Inside(bed().network().HostNamespace(Side::kA),
                            {"bash", "-c", kServer, "redis-server", "--bind",
                             "10.77.0.1", "--protected-mode", "no", "--save",
                             "", "--appendonly", "no", "--dir", bed().dir()}),
        .output_path = bed().dir() + "/redis.out",
        .error_path = bed().dir() + "/redis.err"});
    if (!bed().WaitForRedis(milliseconds(10000), "10.77.0.1")) {
      throw BedError("redis-server does not answer");
    }
  }

  std::unique_ptr<WriterProcess> Start(bool probe = false) {
    WriterOptions options;
    options.host = "10.77.0.1";
    options.depth = depth_;
    options.probe = probe;
    options.idle_connections = 2;
    options.reply_deadline = milliseconds(2000);
    return bed().StartWriter(options);
  }

  std::string Redis(std::vector<std::string> arguments) {
    std::vector<std::string> argv = {"redis-cli", "-h", "10.77.0.1"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return RunOrThrow(Network::Inside(bed().network().ClientNamespace(), argv));
  }

  // The one who asks is one of them.
  int Clients() {
    const std::string info = Redis({"INFO", "clients"});
    const std::string field = "connected_clients:";
    return std::stoi(info.substr(info.find(field) + field.size()));
  }

  ChildProcess& redis() { return *redis_; }
  int depth_ = 1;

 private:
  std::unique_ptr<ChildProcess> redis_;
};

TEST_F(Writer, HealthyServer_EverythingIsReadBack) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(2000, milliseconds(10000)));
  const WriterReport report = writer->Finish();
  EXPECT_GE(report.acknowledged_writes, 2000u);
  EXPECT_EQ(report.lost_writes, 0u);
  EXPECT_EQ(report.wrong_values, 0u);
  EXPECT_TRUE(report.connection_survived);
  EXPECT_TRUE(report.read_back);
  EXPECT_GT(report.latency_p50_us, 0);
  EXPECT_GE(report.latency_p99_us, report.latency_p50_us);
}

TEST_F(Writer, DepthEight_EverythingIsReadBack) {
  depth_ = 8;
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(2000, milliseconds(10000)));
  const WriterReport report = writer->Finish();
  EXPECT_EQ(report.lost_writes + report.wrong_values, 0u) << report.error;
  EXPECT_TRUE(report.connection_survived);
}

TEST_F(Writer, DeletedKey_CountsAsLost) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  Redis({"DEL", "key:7", "key:8"});
  EXPECT_EQ(writer->Finish().lost_writes, 2u);
}

TEST_F(Writer, ChangedValueAndRepeatedIncrement_CountAsWrong) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  Redis({"SET", "key:9", "other"});
  EXPECT_GE(writer->Finish().wrong_values, 1u);
  auto second_writer_is_refused = [&] { Start(); };
  EXPECT_THROW(second_writer_is_refused(), BedError);
}

TEST_F(Writer, RepeatedIncrement_IsSeenAtOnce) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  Redis({"INCR", "writes"});
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  EXPECT_GE(writer->Finish().wrong_values, 100u);
}

TEST_F(Writer, StoppedServer_IsABlackoutOfThatLengthForTheWriterAlone) {
  auto writer = Start(/*probe=*/true);
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  writer->MarkFault();
  redis().Signal(SIGSTOP);
  std::this_thread::sleep_for(milliseconds(300));
  redis().Signal(SIGCONT);
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  const WriterReport report = writer->Finish();
  EXPECT_TRUE(report.connection_survived);
  EXPECT_GE(report.blackout_writer_ms, 290);
  EXPECT_LT(report.blackout_writer_ms, 600);
  EXPECT_LT(report.longest_gap_before_ms, 290);
  // The kernel beside it answers on.
  EXPECT_LT(report.blackout_probe_ms, 290);
  EXPECT_GT(report.probes_sent, 50u);
  EXPECT_EQ(report.probes_lost, 0u);
  EXPECT_EQ(report.probes_doubled, 0u);
}

// A host that asks for a MAC while the cable is out asks again after a
// second: that is not what these tests are about.
void KeepKnownMacs(Network& network) {
  constexpr char kScript[] =
      "ip -4 neigh show | while read ip dev name lladdr mac state; do "
      "ip neigh replace $ip dev $name lladdr $mac nud permanent || exit 1; "
      "done";
  for (const std::string& name_space :
       {network.ClientNamespace(), network.HostNamespace(Side::kA)}) {
    RunOrThrow(Network::Inside(name_space, {"sh", "-c", kScript}));
  }
}

// For 250 ms nothing arrives. The probe notices just that; a TCP client in a
// closed loop is served again when its request was sent once more, which its
// kernel tries 200 ms after it was lost (in vain) and as long after that.
TEST_F(Writer, ShortCut_CostsTheWriterMoreThanTheProbe) {
  auto writer = Start(/*probe=*/true);
  KeepKnownMacs(bed().network());
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  writer->MarkFault();
  bed().network().Cut(Side::kA, Cable::kUplink);
  std::this_thread::sleep_for(milliseconds(250));
  bed().network().Restore(Side::kA, Cable::kUplink);
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  const WriterReport report = writer->Finish();
  EXPECT_TRUE(report.connection_survived);
  EXPECT_GE(report.blackout_probe_ms, 245);
  EXPECT_LT(report.blackout_probe_ms, 400);
  EXPECT_GE(report.blackout_writer_ms, 390);
  EXPECT_GT(report.probes_lost, 20u);
  EXPECT_LT(report.probes_lost, 90u);
}

TEST_F(Writer, IdleConnections_AreTriedAtTheEnd) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  const WriterReport report = writer->Finish();
  EXPECT_EQ(report.connections, 3);
  EXPECT_EQ(report.connections_survived, 3);
}

// One that the server closed is missed, the writer's own goes on.
TEST_F(Writer, IdleConnectionThatWasClosed_IsMissed) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(100, milliseconds(10000)));
  Redis({"CONFIG", "SET", "timeout", "1"});
  // Redis looks at them in turn, within some seconds.
  ASSERT_TRUE(Eventually(milliseconds(10000), [&] { return Clients() <= 2; }));
  const WriterReport report = writer->Finish();
  EXPECT_TRUE(report.connection_survived);
  EXPECT_EQ(report.connections_survived, 1);
}

TEST_F(Writer, KilledServer_ConnectionDidNotSurvive) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  writer->MarkFault();
  redis().Kill();
  const WriterReport report = writer->Finish();
  EXPECT_FALSE(report.connection_survived);
  EXPECT_EQ(report.connections, 3);
  EXPECT_EQ(report.connections_survived, 0);
  EXPECT_FALSE(report.read_back);
  EXPECT_NE(report.error, "");
}

TEST_F(Writer, SilentServer_ConnectionIsGivenUpAtTheDeadline) {
  auto writer = Start();
  ASSERT_TRUE(writer->WaitForMore(200, milliseconds(10000)));
  writer->MarkFault();
  bed().Isolate(Side::kA);
  EXPECT_TRUE(Eventually(milliseconds(5000), [&] { return !writer->Alive(); }));
  const WriterReport report = writer->Finish();
  EXPECT_FALSE(report.connection_survived);
  EXPECT_GE(report.blackout_writer_ms, 1900);
}

}  // namespace
}  // namespace ft::bed
