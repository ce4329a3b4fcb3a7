// SPDX-License-Identifier: GPL-2.0-or-later
//
// A request that is sent while nobody is live: host A has died, host B has
// won the VM and waits for A's output lease. It must find host B, wait there,
// and be answered as soon as the guest runs, without TCP sending it again
// (x-ft-announce, docs/failover.md).
#include <thread>

#include "tests/system/bed_fixture.h"

namespace ft::bed {
namespace {

// Connects; then for each line: one PING, and after its answer the time that
// it took in microseconds.
constexpr char kClient[] = R"(
exec 3<>/dev/tcp/$1/$2
echo ready
while read -r line; do
  begin=${EPOCHREALTIME/./}
  printf 'PING\r\n' >&3
  read -r answer <&3
  echo $((${EPOCHREALTIME/./} - begin))
done)";

class EarlyRequest : public BedTest {
 protected:
  void StartProtected() {
    bed().StartHosts();
    bed().StartVm(a());
    a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"}, kProtectedWithin);
    client_ = std::make_unique<ChildProcess>(ChildProcess::Options{
        .argv = Network::Inside(bed().network().ClientNamespace(),
                                {"bash", "-c", kClient, "client", kGuestAddress,
                                 std::to_string(kRedisPort)}),
        .error_path = bed().dir() + "/client.err",
        .talk = true});
    ASSERT_EQ(client_->ReadLine(milliseconds(10000)), "ready");
    ASSERT_LT(RequestMs(), 1000) << "the way is known now";
  }

  double RequestMs() {
    client_->WriteLine("go");
    const auto answer = client_->ReadLine(milliseconds(30000));
    if (!answer) throw BedError("the client got no answer");
    return std::stod(*answer) / 1000;
  }

  // TCP segments that the client's host has sent again so far.
  int Retransmissions() {
    const std::string text = RunOrThrow(Network::Inside(
        bed().network().ClientNamespace(),
        {"awk", "/^Tcp: [0-9]/ {print $13}", "/proc/net/snmp"}));
    return std::stoi(text);
  }

  std::unique_ptr<ChildProcess> client_;
};

TEST_F(EarlyRequest, SentDuringTheWait_IsAnsweredWithoutARetransmission) {
  StartProtected();
  const int before = Retransmissions();
  a().KillBoth(kVm);
  // B has won by now; its lease wait ends in some 80 ms.
  std::this_thread::sleep_for(milliseconds(20));
  const double took = RequestMs();
  RecordProperty("request_ms", static_cast<int>(took));
  EXPECT_EQ(Retransmissions(), before) << "the request took " << took << " ms";
  EXPECT_EQ(Field(b(), "role"), "primary");
  EXPECT_EQ(bed().LiveSides(), 1);
}

}  // namespace
}  // namespace ft::bed
