// SPDX-License-Identifier: GPL-2.0-or-later
//
// Histories whose verdict a reader can see by hand, then many that another
// judge decides: one that tries every order.
#include "tests/chaos/linearizability.h"

#include <gmock/gmock.h>

#include <ctime>
#include <random>

#include "tests/chaos/history_for_test.h"

namespace ft::chaos {
namespace {

using testing::HasSubstr;

bool Linearizable(const std::vector<Operation>& history) {
  const CheckResult result = CheckHistory(history);
  EXPECT_NE(result.verdict, Verdict::kUndecided) << result.Text();
  return result.ok();
}

TEST(Linearizability, Empty_IsLinearizable) {
  EXPECT_TRUE(Linearizable({}));
  EXPECT_TRUE(Linearizable(Told().GetNothing(0, 0, 1).Range(0, {}, 2, 3)));
}

TEST(Linearizability, ReadAfterWrite_SeesIt) {
  EXPECT_TRUE(Linearizable(Told().Set(0, "a", 0, 10).Get(1, "a", 20, 30)));
  EXPECT_FALSE(Linearizable(Told().Set(0, "a", 0, 10).GetNothing(1, 20, 30)));
}

// The second read is older than the first.
TEST(Linearizability, StaleRead_IsAViolation) {
  Told told;
  told.Set(0, "a", 0, 10).Set(0, "b", 20, 60);
  told.Get(1, "b", 30, 35).Get(2, "a", 40, 45);
  EXPECT_FALSE(Linearizable(told));
}

// The same two reads, at the same time.
TEST(Linearizability, ReadsThatOverlapAWrite_MaySeeEither) {
  Told told;
  told.Set(0, "a", 0, 10).Set(0, "b", 20, 60);
  told.Get(1, "b", 30, 45).Get(2, "a", 40, 45);
  EXPECT_TRUE(Linearizable(told));
}

TEST(Linearizability, TimesThatTouch_Overlap) {
  EXPECT_TRUE(Linearizable(Told().Set(0, "a", 0, 10).GetNothing(1, 10, 20)));
}

TEST(Linearizability, ReadFromTheFuture_IsAViolation) {
  EXPECT_FALSE(Linearizable(Told().Get(1, "a", 0, 10).Set(0, "a", 20, 30)));
}

TEST(Linearizability, ValueNobodyWrote_IsAViolation) {
  EXPECT_FALSE(Linearizable(Told().Set(0, "a", 0, 10).Get(1, "z", 20, 30)));
}

TEST(Linearizability, Append_IsThere) {
  Told told;
  told.Push(0, "a", 1, 0, 10).Push(1, "b", 2, 5, 20);
  told.Range(2, {"a", "b"}, 30, 40);
  EXPECT_TRUE(Linearizable(told));
}

TEST(Linearizability, LostAppend_IsAViolation) {
  Told told;
  told.Push(0, "a", 1, 0, 10).Push(1, "b", 2, 5, 20).Range(2, {"a"}, 30, 40);
  EXPECT_FALSE(Linearizable(told));
}

// Nobody reads; the length alone tells.
TEST(Linearizability, LostAppend_IsSeenByTheNextLength) {
  EXPECT_FALSE(
      Linearizable(Told().Push(0, "a", 1, 0, 10).Push(1, "b", 1, 20, 30)));
}

TEST(Linearizability, DoubledAppend_IsAViolation) {
  Told read;
  read.Push(0, "a", 1, 0, 10).Range(2, {"a", "a"}, 30, 40);
  EXPECT_FALSE(Linearizable(read));
  EXPECT_FALSE(
      Linearizable(Told().Push(0, "a", 1, 0, 10).Push(1, "b", 3, 20, 30)));
}

TEST(Linearizability, OrderOfAppends_IsThatOfTheirLengths) {
  Told told;
  told.Push(0, "a", 2, 0, 10).Push(1, "b", 1, 5, 20);
  EXPECT_TRUE(Linearizable(Told(told).Range(2, {"b", "a"}, 30, 40)));
  EXPECT_FALSE(Linearizable(Told(told).Range(2, {"a", "b"}, 30, 40)));
}

TEST(Linearizability, UnknownThatTookEffectLater_IsAllowed) {
  Told told;
  told.Set(0, "a", 0, 10).Set(1, "b", 20, 0).Unanswered();
  told.Get(2, "a", 1000, 1010).Get(2, "b", 2000, 2010);
  EXPECT_TRUE(Linearizable(told));
  Told list;
  list.Push(0, "a", 0, 0, 0).Unanswered();
  list.Range(1, {}, 10, 20)
      .Push(1, "b", 2, 30, 40)
      .Range(2, {"a", "b"}, 50, 60);
  EXPECT_TRUE(Linearizable(list));
}

TEST(Linearizability, UnknownThatNeverDid_IsAllowed) {
  Told told;
  told.Set(0, "a", 0, 10).Set(1, "b", 20, 0).Unanswered();
  told.Get(2, "a", 2000, 2010);
  EXPECT_TRUE(Linearizable(told));
}

TEST(Linearizability, Unknown_TakesEffectOnceAndNotBeforeItsTime) {
  Told twice;
  twice.Set(1, "b", 0, 0).Unanswered().Set(0, "a", 10, 20);
  twice.Get(2, "b", 30, 40).Set(0, "c", 50, 60);
  EXPECT_TRUE(Linearizable(twice));
  EXPECT_FALSE(Linearizable(Told(twice).Get(2, "b", 70, 80)));
  Told early;
  early.Get(2, "b", 0, 10).Set(1, "b", 20, 0).Unanswered();
  EXPECT_FALSE(Linearizable(early));
}

// Two may look right beside each other and wrong together.
TEST(Linearizability, Keys_AreJudgedAloneAndTheFirstIsNamed) {
  std::vector<Operation> history =
      Told().Set(0, "a", 0, 10).Get(1, "z", 80, 90);
  const std::vector<Operation> list =
      Told().Push(0, "a", 1, 20, 30).Range(1, {}, 40, 50);
  history.insert(history.end(), list.begin(), list.end());
  const CheckResult result = CheckHistory(history);
  EXPECT_EQ(result.verdict, Verdict::kViolation);
  EXPECT_EQ(result.key, "l");
  EXPECT_EQ(result.keys, 2u);
}

TEST(Linearizability, Violation_IsToldByWhatMatters) {
  Told told;
  for (int i = 0; i < 100; ++i) {
    told.Set(0, i == 3 ? "old" : "other", i * 10, i * 10 + 5);
  }
  told.Set(0, "new", 1000, 1005).Get(1, "old", 1010, 1020);
  told.Get(1, "new", 1030, 1040);
  const CheckResult result = CheckHistory(told.history());
  ASSERT_EQ(result.verdict, Verdict::kViolation);
  EXPECT_EQ(result.why,
            "key r: client 1's GET: old has no explanation; the key was new");
  EXPECT_LE(result.excerpt.size(), 12u);
  const std::string text = result.Text();
  EXPECT_THAT(text, HasSubstr("client 0  SET old\n"));
  EXPECT_THAT(text, HasSubstr("client 0  SET new\n"));
  EXPECT_THAT(text, HasSubstr("client 1  GET: old   <-- no explanation\n"));
}

TEST(Linearizability, LostAppend_IsToldWithTheAppend) {
  Told told;
  told.Push(3, "gone", 1, 0, 5);
  for (int i = 0; i < 50; ++i) {
    told.Range(0, {"gone"}, 10 * i + 10, 10 * i + 15);
  }
  told.Range(1, {}, 1000, 1010);
  const CheckResult result = CheckHistory(told.history());
  ASSERT_EQ(result.verdict, Verdict::kViolation);
  EXPECT_THAT(result.why, HasSubstr("LRANGE: [] (0) has no explanation; the "
                                    "key was [gone] (1)"));
  EXPECT_THAT(result.Text(), HasSubstr("client 3  RPUSH gone: length 1\n"));
  EXPECT_LE(result.excerpt.size(), 10u);
}

TEST(Linearizability, TooManyOpenOperations_IsUndecidedNotYes) {
  Told told;
  for (int i = 0; i < 70; ++i) told.Push(i, "a", 0, i, 0).Unanswered();
  EXPECT_EQ(CheckHistory(told.history()).verdict, Verdict::kUndecided);
  Told deep;
  for (int i = 0; i < 12; ++i) deep.Push(i, "a", 0, i, 0).Unanswered();
  deep.Push(99, "b", 7, 100, 110);
  EXPECT_EQ(CheckHistory(deep.history(), {.configurations_max = 100}).verdict,
            Verdict::kUndecided);
}

// The other judge: every subset of the unknown operations, every order that
// respects time, executed on a list of strings.
class Patient {
 public:
  static bool Explains(const std::vector<Operation>& history) {
    Patient patient(history);
    return patient.Search({}, 0);
  }

 private:
  explicit Patient(const std::vector<Operation>& history) : all_(history) {}

  static int64_t EndOf(const Operation& o) {
    return o.outcome == Outcome::kUnknown ? INT64_MAX : o.returned_ns;
  }

  bool Search(const std::vector<std::string>& state, unsigned done) {
    bool all_answered_done = true;
    for (size_t i = 0; i < all_.size(); ++i) {
      if (done & 1u << i) continue;
      if (all_[i].outcome == Outcome::kAnswered) all_answered_done = false;
    }
    if (all_answered_done) return true;
    for (size_t i = 0; i < all_.size(); ++i) {
      if (done & 1u << i || !MayBeNext(i, done)) continue;
      std::vector<std::string> next = state;
      if (Execute(all_[i], next) && Search(next, done | 1u << i)) return true;
    }
    return false;
  }

  // Nothing that is not done yet ended before it began.
  bool MayBeNext(size_t i, unsigned done) const {
    for (size_t j = 0; j < all_.size(); ++j) {
      if (j == i || done & 1u << j) continue;
      if (EndOf(all_[j]) < all_[i].invoked_ns) return false;
    }
    return true;
  }

  static bool Execute(const Operation& o, std::vector<std::string>& state) {
    const bool any = o.outcome == Outcome::kUnknown;
    switch (o.kind) {
      case Kind::kSet:
        state = {o.argument};
        return true;
      case Kind::kPush:
        state.push_back(o.argument);
        return any || o.result.front() == std::to_string(state.size());
      case Kind::kGet:
      case Kind::kRange:
        return any || o.result == state;
    }
    return false;
  }

  const std::vector<Operation>& all_;
};

// Few operations on one key, at times that overlap much, with answers that
// are often right and often not.
std::vector<Operation> SmallHistory(std::mt19937_64& random) {
  const auto below = [&](int n) {
    return static_cast<int>(random() % static_cast<uint64_t>(n));
  };
  const bool list = below(2) == 0;
  SimulationOptions options;
  options.seed = random();
  options.clients = 2 + below(3);
  options.keys = 1;
  options.operations = 3 + below(5);
  options.unknown = 0.25;
  std::vector<Operation> history = Simulation(options).Run();
  if (!list) {
    for (Operation& o : history) {
      if (below(4) == 0 && o.kind == Kind::kGet) {
        o.result = {"v" + std::to_string(1 + below(4))};
      }
    }
    return history;
  }
  // The same times; pushes and ranges instead, answers drawn.
  for (Operation& o : history) {
    o.key = "l";
    if (o.kind == Kind::kSet) {
      o.kind = Kind::kPush;
      o.result = {std::to_string(1 + below(3))};
    } else {
      o.kind = Kind::kRange;
      o.result.clear();
      for (int n = below(3); n > 0; --n) {
        o.result.push_back("v" + std::to_string(1 + below(3)));
      }
    }
  }
  return history;
}

TEST(Linearizability, SmallHistories_AreJudgedAsByTryingEveryOrder) {
  std::mt19937_64 random(20261124);
  int good = 0, bad = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::vector<Operation> history = SmallHistory(random);
    const bool expected = Patient::Explains(history);
    const CheckResult got = CheckHistory(history);
    ++(expected ? good : bad);
    if (got.ok() == expected) continue;
    std::string lines;
    for (const Operation& o : history) lines += ToJsonLine(o) + "\n";
    FAIL() << "history " << i << " is "
           << (expected ? "linearizable" : "not linearizable") << "; said was "
           << got.Text() << "\n"
           << lines;
  }
  EXPECT_GT(good, 1000);
  EXPECT_GT(bad, 1000);
}

TEST(Linearizability, Simulated_IsLinearizable) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    const CheckResult result = CheckHistory(
        Simulation({.seed = seed, .operations = 2000, .unknown = 0.0005})
            .Run());
    EXPECT_EQ(result.verdict, Verdict::kLinearizable) << "seed " << seed << "\n"
                                                      << result.Text();
  }
}

// What became of one answer; each is impossible by construction.
bool Mutate(Operation& o, const std::vector<Operation>& history) {
  if (o.outcome == Outcome::kUnknown) return false;
  switch (o.kind) {
    case Kind::kSet:
      return false;
    case Kind::kGet: {
      // A value that was overwritten for certain before the read began.
      for (const Operation& old : history) {
        if (old.kind != Kind::kSet || old.key != o.key) continue;
        for (const Operation& newer : history) {
          if (newer.kind == Kind::kSet && newer.key == o.key &&
              newer.invoked_ns > old.returned_ns &&
              newer.returned_ns < o.invoked_ns) {
            o.result = {old.argument};
            return true;
          }
        }
      }
      return false;
    }
    case Kind::kPush:
      o.result = {std::to_string(std::stoi(o.result.front()) + 1)};
      return true;
    case Kind::kRange:
      if (o.result.size() < 2) return false;
      std::swap(o.result.front(), o.result.back());
      return true;
  }
  return false;
}

// Reads all lists once more, as the clients do at the end of a segment.
void ReadListsAgain(std::vector<Operation>& history) {
  std::map<std::string, std::map<int, std::string>> lists;
  for (const Operation& o : history) {
    if (o.kind != Kind::kPush) continue;
    lists[o.key][std::stoi(o.result.front())] = o.argument;
  }
  for (const auto& [key, elements] : lists) {
    Operation read = {.key = key,
                      .kind = Kind::kRange,
                      .invoked_ns = INT64_MAX / 2,
                      .returned_ns = INT64_MAX / 2 + 1};
    for (const auto& [length, value] : elements) read.result.push_back(value);
    history.push_back(read);
  }
}

TEST(Linearizability, OneAnswerChanged_IsFound) {
  std::mt19937_64 random(7);
  int mutations = 0;
  for (uint64_t seed = 1; mutations < 300; ++seed) {
    std::vector<Operation> history =
        Simulation({.seed = seed, .operations = 500}).Run();
    ReadListsAgain(history);
    ASSERT_TRUE(Linearizable(history)) << "seed " << seed;
    Operation& victim = history[random() % history.size()];
    const Operation before = victim;
    if (!Mutate(victim, history)) continue;
    ++mutations;
    const CheckResult result = CheckHistory(history);
    ASSERT_EQ(result.verdict, Verdict::kViolation)
        << "seed " << seed << ": " << ToJsonLine(before) << "\n became "
        << ToJsonLine(victim);
    EXPECT_EQ(result.key, victim.key);
  }
}

TEST(Linearizability, HundredThousandOperations_TakeAFewSeconds) {
  const std::vector<Operation> history =
      Simulation({.operations = 100'000, .list_length = 100}).Run();
  // Of this process: a busy machine is no fault of the checker's.
  const std::clock_t begin = std::clock();
  EXPECT_TRUE(Linearizable(history));
  const double took =
      static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  RecordProperty("seconds", std::to_string(took));
  EXPECT_LT(took, 3);
}

}  // namespace
}  // namespace ft::chaos
