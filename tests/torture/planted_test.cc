// SPDX-License-Identifier: GPL-2.0-or-later
//
// A finder that never found anything proves nothing: here it meets a fault
// that was once real. ./lockstep test planted runs it, with the engine of
// planted_engine.sh as LOCKSTEP_ENGINE.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/replay/network_bed.h"
#include "tests/replay/test_paths.h"
#include "tests/torture/trial.h"

namespace ft::torture {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

// The guest's answers leave at other instructions than in the recording. What
// differs first is mostly the ring in which virtio-net reports them done, at
// times the interrupt that goes with it; then it is the entry that has a
// packet in it.
TEST(Planted, TheFinderNamesThePacketPath) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  Workload workload = *FindWorkload("redis");
  workload.rounds = 300 * kDenseDivisor;
  const Outcome outcome =
      Perform({.workload = &workload,
               .dense = true,
               .clone_after = std::chrono::milliseconds(100)});
  ASSERT_FALSE(outcome.identical)
      << "nothing found: both replays of " << outcome.instructions
      << " instructions are the recorded machine. Was the fault planted in "
      << replay::EngineBinary() << "? ./lockstep test planted does that";
  ASSERT_NE(outcome.finding, "")
      << outcome.failure << "; evidence: " << outcome.evidence;
  EXPECT_THAT(outcome.finding,
              AllOf(HasSubstr("every replay differs from the recording, first "
                              "in the "),
                    AnyOf(HasSubstr("ring of virtio-net-device queue "),
                          HasSubstr(" net: "))))
      << "evidence: " << outcome.evidence;
  std::printf("%s", outcome.finding.c_str());
  if (!HasFailure()) std::filesystem::remove_all(outcome.evidence);
}

}  // namespace
}  // namespace ft::torture
