// SPDX-License-Identifier: GPL-2.0-or-later
//
// The promises of Lockstep for a guest with a disk: a Debian root at a real
// disk service, a Redis whose every acknowledged write is flushed there. The
// story is failover_story.h's. Needs the guest that ./lockstep test -L debian
// makes.
#include "tests/system/bed_fixture.h"
#include "tests/system/failover_story.h"

namespace ft::bed {
namespace {

class DiskFailover : public BedTest {
 protected:
  StoryResult Tell(Fault fault) {
    StoryOptions options;
    options.fault = fault;
    options.disk = DiskKind::kShared;
    options.before = milliseconds(1500);
    options.after = milliseconds(1000);
    options.writes_min = 100;
    StoryResult result = TellFailover(bed(), options);
    for (const std::string& line : result.broken) ADD_FAILURE() << line;
    EXPECT_EQ(result.from_disk.acknowledged_writes,
              result.writer.acknowledged_writes);
    return result;
  }
};

TEST_F(DiskFailover, HostKilled_EveryAcknowledgedWriteIsOnTheDisk) {
  Tell(Fault::kHost);
}

// The old primary lives, with writes that it held or had under way. When its
// cables are back the disk service lets none of them through.
TEST_F(DiskFailover, HostLinkCut_EveryAcknowledgedWriteIsOnTheDisk) {
  Tell(Fault::kLink);
  EXPECT_EQ(Field(a(), "reason"), "fenced");
}

}  // namespace
}  // namespace ft::bed
