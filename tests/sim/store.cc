// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/store.h"

#include "fencing/async_test_and_set.h"
#include "tests/sim/ftd.h"
#include "tests/sim/world.h"

namespace ft::sim {

using fencing::TestAndSetOutcome;

namespace {

constexpr Time kDeadline =
    std::chrono::nanoseconds(fencing::AsyncTestAndSet::kDeadline).count();

}  // namespace

Time Store::Delay(int host) {
  Time delay = world_.random.Between(100, 1500) * kUs;
  const Time slow = weather_[host].slow;
  if (slow > 0) delay += world_.random.Between(0, slow);
  return delay;
}

void Store::Acquire(int host, uint64_t side, uint64_t epoch) {
  Ask({.host = host,
       .side = side,
       .epoch = epoch,
       .read = false,
       .record = {}});
}

void Store::Read(int host, uint64_t side) {
  Ask({.host = host, .side = side, .epoch = 0, .read = true, .record = {}});
}

void Store::Ask(const Question& question) {
  const size_t number = questions_.size();
  questions_.push_back(question);
  Ftd* ftd = world_.hosts[question.host].ftd.get();
  if (!weather_[question.host].unreachable) {
    world_.schedule.In(Delay(question.host),
                       [this, number] { CarryOut(number); });
  }
  world_.schedule.In(ftd->process, kDeadline,
                     [this, number] { Answer(number, false); });
}

void Store::CarryOut(size_t number) {
  Question& question = questions_[number];
  const std::string& vm = world_.vm_name;
  const std::string& host = world_.hosts[question.host].name;
  if (question.read) {
    question.record = memory_.Read(vm).value();
  } else if (world_.options.planted == Planted::kSkipTestAndSet) {
    question.outcome = TestAndSetOutcome::kAcquired;
  } else {
    uint64_t epoch = question.epoch;
    if (world_.options.planted == Planted::kForgetEpoch) epoch = record().epoch;
    const auto answer = memory_.Acquire(vm, epoch, host);
    question.outcome = answer.outcome;
    question.record = answer.record;
  }
  const Weather& weather = weather_[question.host];
  if (weather.loses_replies || weather.unreachable) return;
  Ftd* ftd = world_.hosts[question.host].ftd.get();
  if (!ftd->process.alive) return;
  world_.schedule.In(ftd->process, Delay(question.host),
                     [this, number] { Answer(number, true); });
}

void Store::Answer(size_t number, bool in_time) {
  Question& question = questions_[number];
  if (question.answered) return;
  question.answered = true;
  Ftd& ftd = *world_.hosts[question.host].ftd;
  if (ftd.side_id() != question.side) return;
  if (question.read) {
    ftd.OnStoreRead(in_time, in_time ? question.record : std::nullopt);
    return;
  }
  TestAndSetOutcome outcome =
      in_time ? question.outcome : TestAndSetOutcome::kUnreachable;
  if (outcome == TestAndSetOutcome::kUnreachable &&
      world_.options.planted == Planted::kUnreachableIsAcquired) {
    outcome = TestAndSetOutcome::kAcquired;
  }
  world_.Note(question.host, "test-and-set of epoch %1: answer %2",
              question.epoch, static_cast<uint64_t>(outcome));
  ftd.OnStoreAnswer(outcome);
}

// Tried once: the record stays with a host that cannot reach the store.
void Store::Release(int host, uint64_t epoch) {
  if (weather_[host].unreachable) return;
  world_.schedule.In(Delay(host), [this, host, epoch] {
    const Status released =
        memory_.Release(world_.vm_name, epoch, world_.hosts[host].name);
    world_.Note(host, "releases epoch %1: %2", epoch, released.ok());
  });
}

fencing::VmRecord Store::record() {
  return *memory_.Read(world_.vm_name).value();
}

void Store::Begin(int host) {
  (void)memory_.Acquire(world_.vm_name, 0, world_.hosts[host].name);
}

}  // namespace ft::sim
