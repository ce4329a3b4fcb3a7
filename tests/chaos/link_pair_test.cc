// SPDX-License-Identifier: GPL-2.0-or-later
//
// The link in the log cable of a real pair: what reaches ftd damaged is
// refused with one clear line and not applied, and the pair's failure
// handling does the rest.
#include <fstream>
#include <iterator>

#include "tests/chaos/link.h"
#include "tests/system/bed_fixture.h"

namespace ft::chaos {
namespace {

using bed::kVm;
using bed::milliseconds;
using bed::Side;

constexpr int kLogPort = 7600;

class LinkPair : public bed::BedTest {
 protected:
  void StartProtected() {
    bed().StartHosts();
    bed().StartVm(a());
    writer_ =
        bed().StartWriter({.depth = 4, .reply_deadline = milliseconds(20000)});
    a().FtctlOrThrow({"enable", kVm, "--backup", "hostB"},
                     bed::kProtectedWithin);
    ASSERT_TRUE(writer_->WaitForMore(300, milliseconds(10000)));
    link_ = std::make_unique<Link>(bed::SiblingProgram("chaos_link"),
                                   bed().network(), Side::kA, bed::Cable::kLog,
                                   1, bed().dir() + "/link.err");
    ASSERT_TRUE(writer_->WaitForMore(300, milliseconds(10000)));
  }

  // One side is left, it serves, and nothing that was acknowledged is lost.
  void ExpectOneSideAndNothingLost() {
    EXPECT_TRUE(writer_->WaitForMore(300, milliseconds(20000)));
    EXPECT_EQ(bed().LiveSides(), 1);
    EXPECT_EQ(bed().Engines(), 1);
    const bed::WriterReport report = writer_->Finish();
    EXPECT_TRUE(report.connection_survived) << report.error;
    EXPECT_TRUE(report.read_back);
    EXPECT_EQ(report.lost_writes, 0u);
    EXPECT_EQ(report.wrong_values, 0u);
  }

  // What B says about it: its ftd's log, and the VM's events.
  std::string SaidByB() {
    std::ifstream file(b().dir() + "/ftd.err");
    return std::string(std::istreambuf_iterator<char>(file), {}) +
           b().Ftctl({"events", kVm}).out;
  }

  std::unique_ptr<bed::WriterProcess> writer_;
  std::unique_ptr<Link> link_;
};

// A bit of the log itself, so that the frame is whole but for it.
TEST_F(LinkPair, CorruptedLog_IsRefusedAndNothingOfItApplied) {
  StartProtected();
  writer_->MarkFault();
  link_->Inject(Direction::kOutward, StreamFault::kCorrupt, kLogPort, 200);
  ASSERT_TRUE(bed::Eventually(milliseconds(10000), [&] {
    return link_->Counts(Direction::kOutward).corrupted == 1;
  }));
  EXPECT_TRUE(bed::Eventually(milliseconds(5000), [&] {
    return SaidByB().find("peer 10.78.0.1") != std::string::npos &&
           SaidByB().find("frame damaged on the way") != std::string::npos;
  })) << SaidByB();
  ExpectOneSideAndNothingLost();
  EXPECT_EQ(SaidByB().find("divergence"), std::string::npos) << SaidByB();
}

TEST_F(LinkPair, TruncatedLog_IsALostConnection) {
  StartProtected();
  writer_->MarkFault();
  link_->Inject(Direction::kOutward, StreamFault::kTruncate, kLogPort, 200);
  ASSERT_TRUE(bed::Eventually(milliseconds(10000), [&] {
    return link_->Counts(Direction::kOutward).truncated == 1;
  }));
  ExpectOneSideAndNothingLost();
  EXPECT_EQ(SaidByB().find("divergence"), std::string::npos) << SaidByB();
}

// A bad network is no reason to part: late, out of order, and with holes.
TEST_F(LinkPair, LossyLink_KeepsThePairTogether) {
  StartProtected();
  link_->SetBoth({.delay_ms = 5,
                  .jitter_ms = 10,
                  .loss = 0.01,
                  .duplicate = 0.01,
                  .reorder = 0.05});
  EXPECT_TRUE(writer_->WaitForMore(300, milliseconds(20000)));
  EXPECT_EQ(Field(a(), "state"), "protected");
  EXPECT_EQ(Field(a(), "epoch"), "1");
  EXPECT_GT(link_->Counts(Direction::kOutward).lost, 0u);
  link_->Clear();
  EXPECT_EQ(bed().LiveSides(), 1);
  const bed::WriterReport report = writer_->Finish();
  EXPECT_TRUE(report.connection_survived) << report.error;
  EXPECT_EQ(report.lost_writes + report.wrong_values, 0u);
}

}  // namespace
}  // namespace ft::chaos
