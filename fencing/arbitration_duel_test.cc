// SPDX-License-Identifier: GPL-2.0-or-later
//
// Two sides, one store, and everything that may happen between them in any
// order: each run draws a few dozen inputs. Whatever they are, never are
// both live; and once faults end, the duel does.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "fencing/arbitration.h"
#include "fencing/memory_test_and_set.h"

namespace ft::fencing {
namespace {

using namespace std::chrono_literals;
using State = ArbitrationState;
using Fault = MemoryTestAndSet::Fault;

constexpr uint64_t kEpoch = 1;

// One side: the decisions, and an agent that carries them out at any speed.
class Duellist {
 public:
  Duellist(Role role, std::string host, TestAndSet& store)
      : host_(std::move(host)),
        store_(store),
        arbitration_({.role = role, .epoch = kEpoch}) {
    if (role == Role::kBackup) arbitration_.OnEntitled();
  }

  void Do(const Action& action) {
    if (action.kind == Action::Kind::kContend) asking_ = true;
    if (action.kind == Action::Kind::kRelease) {
      EXPECT_TRUE(store_.Release("vm1", action.epoch, host_).ok());
    }
  }
  // The store answers, if it was asked.
  void Ask(Instant now) {
    if (!asking_) return;
    asking_ = false;
    Do(arbitration_.OnAnswer(now,
                             store_.Acquire("vm1", kEpoch, host_).outcome));
  }
  // Any one thing that may happen to a side.
  void Disturb(Instant now, int dice) {
    switch (dice % 6) {
      case 0:
        return Do(arbitration_.OnVerdict(now, Suspicion::kSilence));
      case 1:
        return Do(arbitration_.OnVerdict(now, std::nullopt));
      case 2:
        return Do(arbitration_.OnVerdict(now, Suspicion::kConnectionReset));
      case 3:
        return Do(arbitration_.OnUplink(now, dice & 8));
      case 4:
        return Do(arbitration_.Tick(now));
      case 5:
        return Ask(now);
    }
  }
  void LoseVm() { Do(arbitration_.OnOwnVmGone()); }
  State state() const { return arbitration_.state(); }

 private:
  const std::string host_;
  TestAndSet& store_;
  Arbitration arbitration_;
  bool asking_ = false;
};

struct Duel {
  explicit Duel(uint32_t seed) : random(seed) {
    EXPECT_EQ(store.Acquire("vm1", 0, "hostA").outcome,
              TestAndSetOutcome::kAcquired);
  }
  int Dice() { return static_cast<int>(random() >> 1); }
  void Step() {
    constexpr Fault kFaults[] = {Fault::kNone, Fault::kUnreachable,
                                 Fault::kLostReply};
    now += std::chrono::milliseconds(Dice() % 100);
    if (Dice() % 4 == 0) store.SetFault(kFaults[Dice() % 3]);
    Duellist& side = Dice() % 2 ? primary : backup;
    side.Disturb(now, Dice());
  }
  // Faults end and the connection is seen to be lost: one side must win.
  void Settle() {
    store.SetFault(Fault::kNone);
    for (Duellist* side : {&primary, &backup}) {
      side->Disturb(now, 3 | 8 | 16);  // 27: the carrier is back
      for (int i = 0; i < 3; ++i) {
        side->Disturb(now, 2);
        side->Disturb(now += 3s, 4);
        side->Disturb(now, 5);
      }
    }
  }

  std::mt19937 random;
  Instant now{1h};
  MemoryTestAndSet store;
  Duellist primary{Role::kPrimary, "hostA", store};
  Duellist backup{Role::kBackup, "hostB", store};
};

TEST(ArbitrationDuel, NeverAreBothLiveAndExactlyOneIsInTheEnd) {
  int won_by_primary = 0;
  for (uint32_t seed = 0; seed < 5000; ++seed) {
    Duel duel(seed);
    for (int i = 0; i < 40; ++i) {
      duel.Step();
      ASSERT_FALSE(duel.primary.state() == State::kLive &&
                   duel.backup.state() == State::kLive)
          << "seed " << seed << ", step " << i;
    }
    duel.Settle();
    ASSERT_TRUE((duel.primary.state() == State::kLive &&
                 duel.backup.state() == State::kHalted) ||
                (duel.primary.state() == State::kHalted &&
                 duel.backup.state() == State::kLive))
        << "seed " << seed << ": " << ToString(duel.primary.state()) << ", "
        << ToString(duel.backup.state());
    won_by_primary += duel.primary.state() == State::kLive;
  }
  EXPECT_GT(won_by_primary, 500);
  EXPECT_LT(won_by_primary, 4500);
}

TEST(ArbitrationDuel, SideThatLostItsVmIsNeverLive) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    Duel duel(seed);
    for (int i = 0; i < 10; ++i) duel.Step();
    const bool was_live = duel.backup.state() == State::kLive;
    duel.store.SetFault(Fault::kNone);
    duel.backup.LoseVm();
    duel.Settle();
    ASSERT_EQ(duel.backup.state(), was_live ? State::kLive : State::kHalted);
  }
}

}  // namespace
}  // namespace ft::fencing
