// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set_checks.h"

#include <chrono>
#include <optional>
#include <thread>

#include "logchannel/check.h"

namespace ft::fencing {

void StoreUnderTest::Damage(const std::string&) { FT_CHECK(false) << "no"; }
void StoreUnderTest::Vanish() { FT_CHECK(false) << "no"; }
void StoreUnderTest::Return() { FT_CHECK(false) << "no"; }
void StoreUnderTest::LoseReplies(int) { FT_CHECK(false) << "no"; }
void StoreUnderTest::Hang() { FT_CHECK(false) << "no"; }
void StoreUnderTest::Continue() { FT_CHECK(false) << "no"; }

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Calls of a store that hangs end before AsyncTestAndSet gives them up
// (1 s), with some patience for a busy machine.
constexpr milliseconds kLongestCall{1500};
// Within this a store that was restarted answers again.
constexpr milliseconds kPatience{10'000};
constexpr milliseconds kPause{20};

std::string Text(const std::optional<VmRecord>& record) {
  if (!record) return "no record";
  return "{" + record->vm + ", " + std::to_string(record->epoch) + ", " +
         (record->released() ? "released" : record->holder) + "}";
}

std::string Text(const TestAndSetAnswer& answer) {
  std::string text = ToString(answer.outcome);
  if (answer.record) text += " " + Text(answer.record);
  if (answer.outcome == TestAndSetOutcome::kUnreachable) {
    text += " (" + answer.error.ToString() + ")";
  }
  return text;
}

std::string Text(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalid:
      return "invalid";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kFailed:
      return "failed";
  }
  return "?";
}

// Two hosts, each with a handle, and what was not as expected.
class Hosts {
 public:
  explicit Hosts(StoreUnderTest& store) : store_(store) {
    Reopen(0);
    Reopen(1);
  }

  static constexpr int kA = 0;
  static constexpr int kB = 1;

  // The host restarts.
  void Reopen(int host) { handles_[host] = store_.Open(); }
  TestAndSet& handle(int host) { return *handles_[host]; }

  // From now on both ask as agents do: again while the store is unreachable.
  void BePatient() { patience_ = steady_clock::now() + kPatience; }

  // One question, whatever the answer.
  TestAndSetAnswer Acquire(int host, uint64_t epoch, const std::string& name,
                           const std::string& vm = "vm1") {
    auto answer = handle(host).Acquire(vm, epoch, name);
    while (answer.outcome == TestAndSetOutcome::kUnreachable && Waits()) {
      answer = handle(host).Acquire(vm, epoch, name);
    }
    return answer;
  }

  void ExpectAcquired(int host, uint64_t epoch, const std::string& name,
                      const std::string& vm = "vm1") {
    const auto answer = Acquire(host, epoch, name, vm);
    const VmRecord won{vm, epoch + 1, name};
    Expect(answer.outcome == TestAndSetOutcome::kAcquired &&
               answer.record == won && answer.error.ok(),
           Question(vm, epoch, name), Text(answer), "acquired " + Text(won));
  }

  void ExpectHeld(int host, uint64_t epoch, const std::string& name,
                  const VmRecord& by) {
    const auto answer = Acquire(host, epoch, name, by.vm);
    Expect(answer.outcome == TestAndSetOutcome::kHeldByPeer &&
               answer.record == by && !answer.error.ok(),
           Question(by.vm, epoch, name), Text(answer),
           "held by peer " + Text(by));
  }

  void ExpectUnreachable(int host, uint64_t epoch, const std::string& name,
                         const std::string& vm = "vm1") {
    const auto answer = Acquire(host, epoch, name, vm);
    Expect(answer.outcome == TestAndSetOutcome::kUnreachable &&
               !answer.record && !answer.error.ok(),
           Question(vm, epoch, name), Text(answer), "unreachable");
  }

  void ExpectRecord(int host, const std::optional<VmRecord>& record,
                    const std::string& vm = "vm1") {
    auto read = handle(host).Read(vm);
    while (!read.ok() && Waits()) read = handle(host).Read(vm);
    Expect(read.ok() && read.value() == record, "Read(" + vm + ")",
           read.ok() ? Text(read.value()) : read.status().ToString(),
           Text(record));
  }

  void ExpectReadFails(int host, Code code, const std::string& vm = "vm1") {
    const auto read = handle(host).Read(vm);
    Expect(read.status().code() == code, "Read(" + vm + ")",
           read.ok() ? Text(read.value()) : read.status().ToString(),
           Text(code));
  }

  void ExpectRelease(int host, uint64_t epoch, const std::string& name,
                     Code code, const std::string& vm = "vm1") {
    Status status = handle(host).Release(vm, epoch, name);
    while (status.code() == Code::kUnavailable && Waits()) {
      status = handle(host).Release(vm, epoch, name);
    }
    Expect(status.code() == code,
           "Release(" + vm + ", " + std::to_string(epoch) + ", " + name + ")",
           Text(status.code()) + " " + status.ToString(), Text(code));
  }

  void Expect(bool right, const std::string& question, const std::string& said,
              const std::string& expected) {
    if (right) return;
    findings_.push_back(question + " said " + said + ", expected " + expected);
  }

  Findings findings() && { return std::move(findings_); }

 private:
  bool Waits() const {
    if (steady_clock::now() >= patience_) return false;
    std::this_thread::sleep_for(kPause);
    return true;
  }
  static std::string Question(const std::string& vm, uint64_t epoch,
                              const std::string& name) {
    return "Acquire(" + vm + ", " + std::to_string(epoch) + ", " + name + ")";
  }

  StoreUnderTest& store_;
  std::unique_ptr<TestAndSet> handles_[2];
  steady_clock::time_point patience_;
  Findings findings_;
};

constexpr int kA = Hosts::kA;
constexpr int kB = Hosts::kB;

Findings UnknownVm(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectRecord(kA, std::nullopt);
  return std::move(hosts).findings();
}

Findings FirstTaker(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRecord(kB, VmRecord{"vm1", 1, "hostA"});
  return std::move(hosts).findings();
}

Findings SecondTaker(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectAcquired(kB, 1, "hostB");
  hosts.ExpectHeld(kA, 1, "hostA", {"vm1", 2, "hostB"});
  hosts.ExpectHeld(kA, 0, "hostC", {"vm1", 2, "hostB"});
  hosts.ExpectRecord(kA, VmRecord{"vm1", 2, "hostB"});
  return std::move(hosts).findings();
}

Findings HolderGoesOn(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectAcquired(kA, 1, "hostA");
  hosts.ExpectHeld(kB, 1, "hostB", {"vm1", 2, "hostA"});
  return std::move(hosts).findings();
}

// The reply was lost, or the host restarted before it came: it asks again,
// perhaps over a new handle, and again.
Findings AskedAgain(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectAcquired(kB, 1, "hostB");
  hosts.ExpectHeld(kA, 1, "hostA", {"vm1", 2, "hostB"});
  for (int i = 0; i < 3; ++i) {
    hosts.ExpectAcquired(kB, 1, "hostB");
    hosts.Reopen(kB);
  }
  hosts.ExpectHeld(kA, 1, "hostA", {"vm1", 2, "hostB"});
  return std::move(hosts).findings();
}

Findings OldWinner(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectAcquired(kB, 1, "hostB");
  hosts.ExpectAcquired(kB, 2, "hostB");
  hosts.ExpectHeld(kA, 0, "hostA", {"vm1", 3, "hostB"});
  hosts.ExpectHeld(kB, 1, "hostB", {"vm1", 3, "hostB"});
  return std::move(hosts).findings();
}

Findings OlderStore(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectUnreachable(kA, 3, "hostA");
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectUnreachable(kA, 3, "hostA");
  hosts.ExpectRecord(kA, VmRecord{"vm1", 1, "hostA"});
  return std::move(hosts).findings();
}

Findings ReleasedVm(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRelease(kA, 1, "hostA", Code::kOk);
  hosts.ExpectRecord(kB, VmRecord{"vm1", 2, ""});
  hosts.ExpectAcquired(kB, 2, "hostB");
  hosts.ExpectHeld(kA, 2, "hostA", {"vm1", 3, "hostB"});
  return std::move(hosts).findings();
}

Findings ReleasedTwice(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRelease(kA, 1, "hostA", Code::kOk);
  hosts.ExpectRelease(kA, 1, "hostA", Code::kOk);
  hosts.ExpectRecord(kA, VmRecord{"vm1", 2, ""});
  return std::move(hosts).findings();
}

Findings ReleaseOfOthers(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectRelease(kA, 1, "hostA", Code::kInvalid);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRelease(kB, 1, "hostB", Code::kInvalid);
  hosts.ExpectRelease(kA, 2, "hostA", Code::kInvalid);
  hosts.ExpectAcquired(kB, 1, "hostB");
  hosts.ExpectRelease(kA, 1, "hostA", Code::kInvalid);
  hosts.ExpectRecord(kA, VmRecord{"vm1", 2, "hostB"});
  return std::move(hosts).findings();
}

Findings LateContender(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRelease(kA, 1, "hostA", Code::kOk);
  hosts.ExpectHeld(kB, 1, "hostB", {"vm1", 2, ""});
  return std::move(hosts).findings();
}

Findings PathTricks(StoreUnderTest& store) {
  Hosts hosts(store);
  for (const char* name : {"", "..", "../vm1", "/vm1", "a/b", ".vm1", "a\nb"}) {
    hosts.ExpectReadFails(kA, Code::kInvalid, name);
    for (const auto& answer :
         {hosts.Acquire(kA, 0, "hostA", name), hosts.Acquire(kA, 0, name)}) {
      hosts.Expect(answer.outcome == TestAndSetOutcome::kUnreachable &&
                       answer.error.code() == Code::kInvalid,
                   "a name such as '" + std::string(name) + "'", Text(answer),
                   "that it cannot be used");
    }
    hosts.ExpectRelease(kA, 1, "hostA", Code::kInvalid, name);
    hosts.ExpectRelease(kA, 1, name, Code::kInvalid);
  }
  hosts.ExpectRecord(kA, std::nullopt);
  return std::move(hosts).findings();
}

Findings SimilarNames(StoreUnderTest& store) {
  const char* const vms[] = {"vm1",   "vm",  "vm10",
                             "vm1.a", "VM1", "vm1.00000000000000000001"};
  Hosts hosts(store);
  uint64_t epoch = 0;
  for (const char* vm : vms) {
    ++epoch;
    for (uint64_t e = 0; e < epoch; ++e) {
      hosts.ExpectAcquired(kA, e, "hostA", vm);
    }
  }
  epoch = 0;
  for (const char* vm : vms) {
    hosts.ExpectRecord(kB, VmRecord{vm, ++epoch, "hostA"}, vm);
  }
  return std::move(hosts).findings();
}

Findings ManyEpochs(StoreUnderTest& store) {
  Hosts hosts(store);
  for (uint64_t epoch = 0; epoch < 40; ++epoch) {
    hosts.ExpectAcquired(kA, epoch, epoch % 3 ? "hostA" : "hostB");
  }
  hosts.ExpectHeld(kB, 3, "hostC", {"vm1", 40, "hostB"});
  return std::move(hosts).findings();
}

Findings DamagedRecord(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectAcquired(kA, 1, "hostA");
  store.Damage("vm1");
  const Status read = hosts.handle(kB).Read("vm1").status();
  hosts.Expect(read.code() == Code::kUnavailable &&
                   read.message().find("vm1") != std::string::npos &&
                   !read.remedy().empty(),
               "Read(vm1)", read.ToString(), "its damage, and the remedy");
  for (uint64_t epoch : {0, 1, 2, 3}) {
    hosts.ExpectUnreachable(kA, epoch, "hostA");
    hosts.ExpectUnreachable(kB, epoch, "hostB");
    hosts.ExpectRelease(kA, epoch, "hostA", Code::kUnavailable);
  }
  hosts.ExpectAcquired(kA, 0, "hostA", "vm2");
  return std::move(hosts).findings();
}

Findings VanishedStore(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  store.Vanish();
  hosts.ExpectReadFails(kA, Code::kUnavailable);
  hosts.ExpectUnreachable(kB, 1, "hostB");
  hosts.ExpectUnreachable(kB, 0, "hostB");
  hosts.ExpectRelease(kA, 1, "hostA", Code::kUnavailable);
  store.Return();
  hosts.BePatient();
  hosts.ExpectRecord(kA, VmRecord{"vm1", 1, "hostA"});
  hosts.ExpectAcquired(kB, 1, "hostB");
  return std::move(hosts).findings();
}

// It was away and is back before anybody asks.
Findings RestartedStore(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRecord(kB, VmRecord{"vm1", 1, "hostA"});
  for (uint64_t epoch = 1; epoch < 3; ++epoch) {
    store.Vanish();
    store.Return();
    hosts.BePatient();
    const std::string winner = epoch % 2 ? "hostB" : "hostA";
    hosts.ExpectAcquired(epoch % 2 ? kB : kA, epoch, winner);
    hosts.ExpectHeld(epoch % 2 ? kA : kB, epoch, "hostC",
                     {"vm1", epoch + 1, winner});
  }
  return std::move(hosts).findings();
}

// A reply is lost once: whoever asked asks again and learns that it won, and
// the other does not win what is lost.
Findings OneLostReply(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  store.LoseReplies(1);
  hosts.BePatient();
  hosts.ExpectAcquired(kB, 1, "hostB");
  hosts.ExpectHeld(kA, 1, "hostA", {"vm1", 2, "hostB"});
  store.LoseReplies(1);
  hosts.ExpectRelease(kB, 2, "hostB", Code::kOk);
  hosts.ExpectRecord(kA, VmRecord{"vm1", 3, ""});
  return std::move(hosts).findings();
}

// All are lost: whoever won learns it, now or later, though
// the other asked first.
Findings LostReplies(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  store.LoseReplies(1000);
  // It may reconnect in time and read that it has won; it has not lost.
  const auto b = hosts.Acquire(kB, 1, "hostB");
  hosts.Expect(b.outcome != TestAndSetOutcome::kHeldByPeer,
               "hostB without replies", Text(b), "unreachable or acquired");
  store.LoseReplies(0);
  hosts.BePatient();
  hosts.ExpectHeld(kA, 1, "hostA", {"vm1", 2, "hostB"});
  hosts.ExpectAcquired(kB, 1, "hostB");
  return std::move(hosts).findings();
}

// What was asked while it hung may be carried out later, or never: either
// way one host wins, and knows.
Findings HungStore(StoreUnderTest& store) {
  Hosts hosts(store);
  hosts.ExpectAcquired(kA, 0, "hostA");
  hosts.ExpectRecord(kB, VmRecord{"vm1", 1, "hostA"});
  store.Hang();
  const auto begun = steady_clock::now();
  hosts.ExpectUnreachable(kB, 1, "hostB");
  const auto waited =
      std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun);
  store.Continue();
  hosts.BePatient();
  hosts.Expect(waited < kLongestCall, "a store that hangs",
               "nothing for " + std::to_string(waited.count()) + " ms",
               "an end in less than " + std::to_string(kLongestCall.count()));
  const auto b = hosts.Acquire(kB, 1, "hostB");
  const auto a = hosts.Acquire(kA, 1, "hostA");
  hosts.Expect(b.outcome == TestAndSetOutcome::kAcquired,
               "hostB after the hang", Text(b), "acquired");
  hosts.Expect(a.outcome == TestAndSetOutcome::kHeldByPeer,
               "hostA after the hang", Text(a), "held by peer");
  return std::move(hosts).findings();
}

constexpr Check kChecks[] = {
    {"Read_UnknownVmHasNoRecord", "a VM that was never started has no record",
     Hand::kNone, &UnknownVm},
    {"Acquire_FirstTakerCreatesEpochOne", "the first taker gets epoch 1",
     Hand::kNone, &FirstTaker},
    {"Acquire_SecondTakerIsToldWhoHoldsIt",
     "who comes second is told who holds the VM", Hand::kNone, &SecondTaker},
    {"Acquire_HolderMayTakeTheNextEpochItself",
     "the holder may go on alone, and its peer may not", Hand::kNone,
     &HolderGoesOn},
    {"Acquire_LostReplyDoesNotMakeALoserOfTheWinner",
     "a winner that asks again is told that it won", Hand::kNone, &AskedAgain},
    {"Acquire_OldWinnerLearnsThatTheRecordMovedOn",
     "an old winner learns that others came after it", Hand::kNone, &OldWinner},
    {"Acquire_StoreOlderThanTheEpochIsUnreachable",
     "a store older than the VM decides nothing", Hand::kNone, &OlderStore},
    {"Release_LetsAnotherHostStartTheVm",
     "a VM that was stopped may be started elsewhere", Hand::kNone,
     &ReleasedVm},
    {"Release_MayBeRepeatedWhenTheReplyWasLost", "a stop may be repeated",
     Hand::kNone, &ReleasedTwice},
    {"Release_OfWhatIsNotOursChangesNothing",
     "nobody stops what another host runs", Hand::kNone, &ReleaseOfOthers},
    {"Release_EndsTheRightOfTheLateContender",
     "who comes after a stop takes nothing", Hand::kNone, &LateContender},
    {"Names_PathTricksAreRefused", "names that are tricks are refused",
     Hand::kNone, &PathTricks},
    {"Records_OfSimilarlyNamedVmsAreApart",
     "VMs of similar names do not touch each other", Hand::kNone,
     &SimilarNames},
    {"Epochs_GoOnThroughManyChanges", "40 changes in a row are counted",
     Hand::kNone, &ManyEpochs},
    {"Damage_IsUnreachableAndNeverGuessed",
     "a damaged record is named and never guessed at", Hand::kDamage,
     &DamagedRecord},
    {"Vanished_IsUnreachableUntilItReturns",
     "a store that is gone decides nothing until it is back", Hand::kVanish,
     &VanishedStore},
    {"Restarted_GoesOnWithItsRecords",
     "a store that was restarted goes on with its records", Hand::kVanish,
     &RestartedStore},
    {"LostReply_IsMadeUpFor", "a lost reply does no harm", Hand::kWire,
     &OneLostReply},
    {"LostReplies_LeaveTheWinnerAWinner",
     "replies that stay lost leave the winner a winner", Hand::kWire,
     &LostReplies},
    {"Hung_IsUnreachableInTime", "a store that hangs is given up in time",
     Hand::kWire, &HungStore},
};

}  // namespace

std::span<const Check> AllChecks() { return kChecks; }

Findings JudgeRace(const RaceResult& race) {
  Findings findings;
  const auto expect_none = [&findings](int count, const std::string& what) {
    if (count > 0) findings.push_back(std::to_string(count) + " " + what);
  };
  expect_none(race.split, "rounds with two winners: split-brain");
  expect_none(race.unwon, "rounds without a winner");
  expect_none(race.misnamed, "records that named another than the winner");
  expect_none(race.unanswered, "contenders who never learned who won");
  return findings;
}

}  // namespace ft::fencing
