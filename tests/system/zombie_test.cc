// SPDX-License-Identifier: GPL-2.0-or-later
//
// The short form of ./lockstep zombie. Needs the guest that ./lockstep test
// -L debian makes.
#include <gtest/gtest.h>

#include "tests/system/zombie_story.h"

namespace ft::bed {
namespace {

TEST(Zombie, ChangesNoBlockThatTheNewSideWrote) {
  ZombieStory story(1);
  int refused = 0;
  for (int run = 0; run < 4 || (refused == 0 && run < 12); ++run) {
    const ZombieEnd end = story.TellOnce();
    for (const std::string& line : end.broken) ADD_FAILURE() << line;
    if (testing::Test::HasFailure()) break;
    refused += end.refused ? 1 : 0;
  }
  EXPECT_GT(refused, 0) << "no late write came";
  if (testing::Test::HasFailure()) story.bed().KeepArtifacts();
}

}  // namespace
}  // namespace ft::bed
