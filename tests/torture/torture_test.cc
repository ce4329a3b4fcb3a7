// SPDX-License-Identifier: GPL-2.0-or-later
//
// The short form of the torture: what the default guest can do, each in
// another way of recording and replaying.
#include <gtest/gtest.h>

#include "tests/replay/network_bed.h"
#include "tests/torture/trial.h"

namespace ft::torture {
namespace {

using std::chrono::milliseconds;

void ExpectIdentical(const Trial& trial) {
  const replay::NetworkBed bed;
  ASSERT_TRUE(bed.status().ok()) << bed.status().ToString();
  const Outcome outcome = Perform(trial);
  EXPECT_TRUE(outcome.identical)
      << outcome.failure << "; evidence: " << outcome.evidence;
}

// A workload in small.
Workload Small(const char* name, int rounds) {
  Workload workload = *FindWorkload(name);
  workload.rounds = rounds;
  return workload;
}

TEST(Torture, MixedLoadIsIdenticalInTheMiddle) {
  const Workload workload = Small("tiny", 10);
  ExpectIdentical({.workload = &workload,
                   .streamed = true,
                   .clone_after = milliseconds(300),
                   .compare_after = {milliseconds(400), milliseconds(400)}});
}

// Fed at full speed while somebody else wants the CPU.
TEST(Torture, BulkBothWaysIsIdenticalUnderContention) {
  const Workload workload = Small("bulk-both-ways", 6);
  ExpectIdentical({.workload = &workload,
                   .contention = true,
                   .clone_after = milliseconds(200),
                   .compare_after = {milliseconds(300), milliseconds(300)}});
}

// The clone's stop and the reset's pause of the vCPU met here.
TEST(Torture, RebootIsIdentical) {
  ExpectIdentical({.workload = FindWorkload("reboot"),
                   .streamed = true,
                   .clone_after = milliseconds(100),
                   .compare_after = {milliseconds(500)}});
}

TEST(Torture, PowerOffIsReplayed) {
  const Workload workload = Small("power-off", 5);
  ExpectIdentical({.workload = &workload,
                   .streamed = true,
                   .clone_after = milliseconds(100)});
}

}  // namespace
}  // namespace ft::torture
