// SPDX-License-Identifier: GPL-2.0-or-later
//
// The link in the log cable of real namespaces: what the kernels at its ends
// notice of it.
#include "tests/chaos/link.h"

#include <unistd.h>

#include <fstream>
#include <regex>

#include "tests/system/bed_fixture.h"

namespace ft::chaos {
namespace {

using bed::Cable;
using bed::milliseconds;
using bed::Network;
using bed::Side;

struct Pings {
  int sent = 0;
  int answered = 0;
  int doubled = 0;
  double least_ms = 0;  // round trip
};

class LinkTest : public bed::BedTest {
 protected:
  // In A's log cable, seed 1.
  std::unique_ptr<Link> MakeLink(Cable cable = Cable::kLog) {
    return std::make_unique<Link>(bed::SiblingProgram("chaos_link"),
                                  bed().network(), Side::kA, cable, 1,
                                  bed().dir() + "/link.err");
  }

  // From A to B over the log cable.
  Pings Ping(int count, const char* interval_s) {
    const std::string text =
        bed::Run(
            InsideA({"ping", "-q", "-W", "1", "-i", interval_s, "-c",
                     std::to_string(count), Network::LogAddress(Side::kB)}))
            .out;
    Pings pings;
    std::smatch match;
    if (std::regex_search(text, match,
                          std::regex("(\\d+) packets transmitted, (\\d+) "
                                     "received(, \\+(\\d+) duplicates)?"))) {
      pings.sent = std::stoi(match[1]);
      pings.answered = std::stoi(match[2]);
      if (match[4].matched) pings.doubled = std::stoi(match[4]);
    }
    if (std::regex_search(text, match, std::regex("= ([0-9.]+)/"))) {
      pings.least_ms = std::stod(match[1]);
    }
    return pings;
  }

  std::vector<std::string> InsideA(std::vector<std::string> argv) {
    return Network::Inside(bed().network().HostNamespace(Side::kA),
                           std::move(argv));
  }
  std::vector<std::string> InsideB(std::vector<std::string> argv) {
    return Network::Inside(bed().network().HostNamespace(Side::kB),
                           std::move(argv));
  }

  bool CarrierOfA() {
    return bed::RunOrThrow(InsideA({"cat", "/sys/class/net/log0/carrier"})) ==
           "1\n";
  }
};

TEST_F(LinkTest, PerfectLink_AddsLessThanATenthOfAMillisecond) {
  const Pings without = Ping(200, "0.002");
  auto link = MakeLink();
  const Pings with = Ping(200, "0.002");
  EXPECT_EQ(with.answered, 200);
  // Both ways, so twice.
  EXPECT_LT(with.least_ms, without.least_ms + 0.2);
  EXPECT_GE(link->Counts(Direction::kOutward).forwarded, 200u);
  EXPECT_GE(link->Counts(Direction::kInward).forwarded, 200u);
  RecordProperty("added_us",
                 static_cast<int>(500 * (with.least_ms - without.least_ms)));
}

TEST_F(LinkTest, TakenOut_TheCableIsAsBefore) {
  MakeLink().reset();
  EXPECT_EQ(Ping(5, "0.01").answered, 5);
  auto again = MakeLink();
  EXPECT_EQ(Ping(5, "0.01").answered, 5);
}

TEST_F(LinkTest, Delay_IsSeenByPing) {
  auto link = MakeLink();
  link->Set(Direction::kOutward, {.delay_ms = 20});
  EXPECT_NEAR(Ping(20, "0.02").least_ms, 21, 1);
  link->SetBoth({.delay_ms = 5});
  EXPECT_NEAR(Ping(20, "0.02").least_ms, 11, 1);
  link->Clear();
  EXPECT_LT(Ping(20, "0.02").least_ms, 2);
  EXPECT_TRUE(CarrierOfA());
}

TEST_F(LinkTest, OneWayCut_LetsTheOtherWayThrough) {
  ASSERT_EQ(Ping(3, "0.01").answered, 3);
  auto link = MakeLink();
  link->Set(Direction::kOutward, {.cut = true});
  const uint64_t inward = link->Counts(Direction::kInward).forwarded;
  // B's pings arrive at A, whose answers do not come back.
  const std::string b_to_a =
      bed::Run(InsideB({"ping", "-q", "-W", "1", "-i", "0.01", "-c", "10",
                        Network::LogAddress(Side::kA)}))
          .out;
  EXPECT_NE(b_to_a.find(" 0 received"), std::string::npos) << b_to_a;
  EXPECT_GE(link->Counts(Direction::kInward).forwarded, inward + 10);
  EXPECT_GE(link->Counts(Direction::kOutward).cut, 10u);
  EXPECT_TRUE(CarrierOfA());
}

TEST_F(LinkTest, Loss_IsAboutRight) {
  auto link = MakeLink();
  link->Set(Direction::kOutward, {.loss = 0.2});
  const Pings pings = Ping(400, "0.002");
  EXPECT_NEAR(pings.answered, 320, 40);
  link->Set(Direction::kOutward, {.duplicate = 0.5});
  EXPECT_NEAR(Ping(100, "0.002").doubled, 50, 25);
}

TEST_F(LinkTest, PulledCable_IsStillPulled) {
  auto link = MakeLink();
  bed().network().Cut(Side::kA, Cable::kLog);
  EXPECT_FALSE(CarrierOfA());
  bed().network().Restore(Side::kA, Cable::kLog);
  EXPECT_TRUE(
      bed::Eventually(milliseconds(2000), [&] { return CarrierOfA(); }));
  EXPECT_TRUE(bed::Eventually(milliseconds(5000),
                              [&] { return Ping(1, "0.01").answered == 1; }));
}

// A stream through real kernels: what is sent by A, and what B writes down.
class LinkStream : public LinkTest {
 protected:
  static constexpr int kPort = 7600;

  // Sends `bytes` zero bytes from A to B; the file that B got.
  std::string SendZeros(size_t bytes,
                        milliseconds deadline = milliseconds(20000)) {
    const std::string out = bed().dir() + "/received";
    bed::ChildProcess listener({.argv = InsideB({"bash", "-c", kReceive, "-",
                                                 std::to_string(kPort), out}),
                                .talk = true});
    if (listener.ReadLine(milliseconds(5000)) != "listening") {
      throw bed::BedError("the receiver does not listen");
    }
    bed::Run(InsideA({"bash", "-c", "head -c $1 /dev/zero >/dev/tcp/$2/$3", "-",
                      std::to_string(bytes), Network::LogAddress(Side::kB),
                      std::to_string(kPort)}),
             {.timeout = deadline});
    EXPECT_TRUE(listener.WaitFor(milliseconds(10000)));
    return out;
  }

  static double ProcessorSeconds(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string word;
    for (int i = 0; i < 13; ++i) file >> word;
    double user = 0, system = 0;
    file >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

  static int BitsSet(const std::string& path) {
    const std::string text = bed::RunOrThrow(
        {"perl", "-0777", "-ne", "print unpack('%32b*', $_)", path});
    return std::stoi(text);
  }

 private:
  static constexpr char kReceive[] = R"(exec perl -MIO::Socket::INET -e '
    my $server = IO::Socket::INET->new(Listen => 1, LocalPort => $ARGV[0],
                                       ReuseAddr => 1) or die $!;
    $| = 1; print "listening\n";
    my $peer = $server->accept; open(my $out, ">", $ARGV[1]) or die $!;
    while (sysread($peer, my $bytes, 65536)) { print $out $bytes }' "$@")";
};

// By the time that it computes: what else the machine does is not its fault.
TEST_F(LinkStream, PerfectLink_PassesSomeHundredMegabitsPerSecond) {
  auto link = MakeLink();
  constexpr size_t kBytes = 32 << 20;
  const double before = ProcessorSeconds(link->pid());
  const std::string received = SendZeros(kBytes);
  const double took = ProcessorSeconds(link->pid()) - before;
  EXPECT_EQ(std::filesystem::file_size(received), kBytes);
  EXPECT_EQ(BitsSet(received), 0);
  const double mbit_per_s = static_cast<double>(kBytes) * 8 / 1e6 / took;
  RecordProperty("mbit_per_s", static_cast<int>(mbit_per_s));
  EXPECT_GT(mbit_per_s, 200);
}

TEST_F(LinkStream, Bandwidth_IsLimited) {
  auto link = MakeLink();
  link->Set(Direction::kOutward, {.mbit_per_s = 20});
  const auto begin = bed::Clock::now();
  SendZeros(2 << 20);
  const double took = bed::MillisecondsSince(begin);
  EXPECT_GT(took, 838);
  EXPECT_LT(took, 3000);
}

TEST_F(LinkStream, Corruption_IsDeliveredByTcp) {
  auto link = MakeLink();
  link->Inject(Direction::kOutward, StreamFault::kCorrupt, kPort, 100);
  const std::string received = SendZeros(300'000);
  EXPECT_EQ(link->Counts(Direction::kOutward).corrupted, 1u);
  EXPECT_EQ(std::filesystem::file_size(received), 300'000u);
  EXPECT_EQ(BitsSet(received), 1);
}

TEST_F(LinkStream, Truncation_EndsTheStreamEarly) {
  auto link = MakeLink();
  link->Inject(Direction::kOutward, StreamFault::kTruncate, kPort, 100);
  const std::string received = SendZeros(300'000, milliseconds(1500));
  EXPECT_EQ(link->Counts(Direction::kOutward).truncated, 1u);
  EXPECT_GT(std::filesystem::file_size(received), 0u);
  EXPECT_LT(std::filesystem::file_size(received), 100'000u);
}

}  // namespace
}  // namespace ft::chaos
