// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/test_and_set_race.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <span>
#include <thread>
#include <vector>

#include "logchannel/check.h"

namespace ft::fencing {
namespace {

constexpr int kNobody = -1;
// How often a contender asks for an epoch: a minute of a store that hangs.
constexpr int kQuestions = 60;
// Contenders start together, within what a store takes to answer; while
// they wait long for one of them they leave the processor to others.
constexpr int kYields = 200;
constexpr timespec kMoment = {.tv_sec = 0, .tv_nsec = 20'000};

// What the contenders share, in memory that survives fork. All atomics.
struct Round {
  std::atomic<int> arrived{0};
  std::atomic<int> winners{0};
  // Index of the contender that a record of this round named.
  std::atomic<int> named{kNobody};
  std::atomic<int> misnamed{0};
  std::atomic<int> unreachable{0};
  std::atomic<int> unanswered{0};
  // Of a winner.
  std::atomic<uint32_t> decision_us{0};
};

class SharedRounds {
 public:
  explicit SharedRounds(size_t count) : bytes_(count * sizeof(Round)) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FT_CHECK(memory != MAP_FAILED) << "mmap of " << bytes_;
    rounds_ = {new (memory) Round[count], count};
  }
  SharedRounds(const SharedRounds&) = delete;
  SharedRounds& operator=(const SharedRounds&) = delete;
  ~SharedRounds() { munmap(rounds_.data(), bytes_); }
  std::span<Round> get() const { return rounds_; }

 private:
  const size_t bytes_;
  std::span<Round> rounds_;
};

// One start line for all: nobody asks before everybody is there.
void AwaitStart(Round& round, int contenders) {
  round.arrived.fetch_add(1);
  for (int i = 0; round.arrived.load() < contenders; ++i) {
    i < kYields ? sched_yield() : nanosleep(&kMoment, nullptr);
  }
}

uint32_t MicrosecondsSince(std::chrono::steady_clock::time_point begun) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - begun)
          .count());
}

std::string NameOf(int contender) { return "host" + std::to_string(contender); }

bool Known(const TestAndSetAnswer& answer) {
  return answer.outcome != TestAndSetOutcome::kUnreachable;
}

void NoteRecord(Round& round, const VmRecord& record) {
  const int named = std::stoi(record.holder.substr(4));
  int before = kNobody;
  if (!round.named.compare_exchange_strong(before, named) && before != named) {
    round.misnamed.fetch_add(1);
  }
}

void Contend(const OpenStore& open, const std::string& vm, int self,
             int contenders, std::span<Round> rounds) {
  const auto store = open();
  for (uint64_t epoch = 0; epoch < rounds.size(); ++epoch) {
    Round& round = rounds[epoch];
    AwaitStart(round, contenders);
    const auto begun = std::chrono::steady_clock::now();
    TestAndSetAnswer answer = store->Acquire(vm, epoch, NameOf(self));
    for (int i = 1; i < kQuestions && !Known(answer); ++i) {
      round.unreachable.fetch_add(1);
      answer = store->Acquire(vm, epoch, NameOf(self));
    }
    const uint32_t decision_us = MicrosecondsSince(begun);
    if (!Known(answer)) {
      round.unanswered.fetch_add(1);
      continue;
    }
    const bool acquired = answer.outcome == TestAndSetOutcome::kAcquired;
    if (acquired) round.winners.fetch_add(1);
    if (acquired) round.decision_us.store(decision_us);
    // A slow loser may be shown a later round's record.
    if (answer.record->epoch == epoch + 1) NoteRecord(round, *answer.record);
    if (acquired && answer.record->holder != NameOf(self)) {
      round.misnamed.fetch_add(1);
    }
  }
}

void RunThreads(int contenders, const std::function<void(int)>& contend) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < contenders; ++i) threads.emplace_back(contend, i);
}

void RunProcesses(int contenders, const std::function<void(int)>& contend) {
  std::vector<pid_t> children;
  for (int i = 0; i < contenders; ++i) {
    const pid_t pid = fork();
    FT_CHECK(pid >= 0) << "fork";
    if (pid == 0) {
      contend(i);
      _exit(0);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = 0;
    FT_CHECK(waitpid(pid, &status, 0) == pid && status == 0)
        << "contender ended with " << status;
  }
}

}  // namespace

RaceResult Race(const OpenStore& open, const std::string& vm,
                const RaceOptions& options) {
  const SharedRounds shared(static_cast<size_t>(options.rounds));
  const auto contend = [&](int self) {
    Contend(open, vm, self, options.contenders, shared.get());
  };
  (options.processes ? RunProcesses : RunThreads)(options.contenders, contend);
  RaceResult result;
  for (const Round& round : shared.get()) {
    result.won += round.winners == 1;
    result.unwon += round.winners == 0;
    result.split += round.winners > 1;
    result.misnamed += round.misnamed;
    result.unreachable += round.unreachable;
    result.unanswered += round.unanswered;
    if (round.winners > 0) result.decisions_us.push_back(round.decision_us);
  }
  std::sort(result.decisions_us.begin(), result.decisions_us.end());
  return result;
}

std::vector<uint32_t> MeasureDecisions(TestAndSet& store, const std::string& vm,
                                       int count) {
  std::vector<uint32_t> decisions_us;
  for (int i = 0; i <= count; ++i) {
    const auto begun = std::chrono::steady_clock::now();
    const auto answer =
        store.Acquire(vm, static_cast<uint64_t>(i), NameOf(i % 2));
    if (answer.outcome != TestAndSetOutcome::kAcquired) break;
    if (i > 0) decisions_us.push_back(MicrosecondsSince(begun));
  }
  std::sort(decisions_us.begin(), decisions_us.end());
  return decisions_us;
}

uint32_t Quantile(const std::vector<uint32_t>& ascending, double share) {
  if (ascending.empty()) return 0;
  const auto index =
      static_cast<size_t>(share * static_cast<double>(ascending.size()));
  return ascending[std::min(index, ascending.size() - 1)];
}

}  // namespace ft::fencing
