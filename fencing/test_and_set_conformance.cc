// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set_conformance.h"

#include <algorithm>
#include <string_view>

#include "logchannel/check.h"

namespace ft::fencing {
namespace {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TestAndSetConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SharedStoreConformance);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RemoteStoreConformance);

void ExpectNone(const Findings& findings) {
  for (const std::string& finding : findings) ADD_FAILURE() << finding;
}

void Conforms(StoreUnderTest& store, std::string_view name) {
  const auto check = std::ranges::find(AllChecks(), name, &Check::name);
  FT_CHECK(check != AllChecks().end()) << name;
  ExpectNone(check->run(store));
}

// The test has the name of its check.
#define CONFORMS(suite, name) \
  TEST_P(suite, name) { Conforms(*under_test_, #name); }

CONFORMS(TestAndSetConformance, Read_UnknownVmHasNoRecord)
CONFORMS(TestAndSetConformance, Acquire_FirstTakerCreatesEpochOne)
CONFORMS(TestAndSetConformance, Acquire_SecondTakerIsToldWhoHoldsIt)
CONFORMS(TestAndSetConformance, Acquire_HolderMayTakeTheNextEpochItself)
CONFORMS(TestAndSetConformance, Acquire_LostReplyDoesNotMakeALoserOfTheWinner)
CONFORMS(TestAndSetConformance, Acquire_OldWinnerLearnsThatTheRecordMovedOn)
CONFORMS(TestAndSetConformance, Acquire_StoreOlderThanTheEpochIsUnreachable)
CONFORMS(TestAndSetConformance, Release_LetsAnotherHostStartTheVm)
CONFORMS(TestAndSetConformance, Release_MayBeRepeatedWhenTheReplyWasLost)
CONFORMS(TestAndSetConformance, Release_OfWhatIsNotOursChangesNothing)
CONFORMS(TestAndSetConformance, Release_EndsTheRightOfTheLateContender)
CONFORMS(TestAndSetConformance, Names_PathTricksAreRefused)
CONFORMS(TestAndSetConformance, Records_OfSimilarlyNamedVmsAreApart)
CONFORMS(TestAndSetConformance, Epochs_GoOnThroughManyChanges)
CONFORMS(SharedStoreConformance, Damage_IsUnreachableAndNeverGuessed)
CONFORMS(SharedStoreConformance, Vanished_IsUnreachableUntilItReturns)
CONFORMS(SharedStoreConformance, Restarted_GoesOnWithItsRecords)
CONFORMS(RemoteStoreConformance, LostReply_IsMadeUpFor)
CONFORMS(RemoteStoreConformance, LostReplies_LeaveTheWinnerAWinner)
CONFORMS(RemoteStoreConformance, Hung_IsUnreachableInTime)
#undef CONFORMS

void ExpectFairRace(StoreUnderTest& store, const RaceOptions& options) {
  const auto open = [&store] { return store.Open(); };
  const RaceResult race = Race(open, "vm1", options);
  EXPECT_EQ(race.won, options.rounds);
  ExpectNone(JudgeRace(race));
}

TEST_P(TestAndSetConformance, Race_OfTwoThreadsHasOneWinner) {
  ExpectFairRace(*under_test_,
                 {.contenders = 2, .rounds = under_test_->race_rounds()});
}

TEST_P(TestAndSetConformance, Race_OfEightThreadsHasOneWinner) {
  ExpectFairRace(*under_test_,
                 {.contenders = 8, .rounds = under_test_->race_rounds() / 2});
}

TEST_P(SharedStoreConformance, Race_OfTwoProcessesHasOneWinner) {
  ExpectFairRace(*under_test_, {.contenders = 2,
                                .rounds = under_test_->race_rounds(),
                                .processes = true});
}

TEST_P(SharedStoreConformance, Race_OfEightProcessesHasOneWinner) {
  ExpectFairRace(*under_test_, {.contenders = 8,
                                .rounds = under_test_->race_rounds() / 2,
                                .processes = true});
}

}  // namespace
}  // namespace ft::fencing
