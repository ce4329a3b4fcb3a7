// SPDX-License-Identifier: GPL-2.0-or-later
//
// torture: many runs of hard workloads, each recorded and replayed by real
// engines, each compared at several places. Exit 0 only if all of them were
// identical.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "tests/replay/test_paths.h"
#include "tests/torture/record.h"
#include "tests/torture/worker.h"

namespace ft::torture {
namespace {

struct Wishes {
  int runs = 100;
  int only = 0;
  size_t jobs = 1;
  uint64_t seed = 1;
  bool resume = false;
  bool needs = false;
  std::string json_path = {};
  std::string state_path = "torture.json";
  std::vector<std::string> names = {};
};

int Complain(const std::string& what) {
  fmt::print(stderr, "torture: {}\n", what);
  return 1;
}

// The build that the engine says it is; its path where it says none.
std::string EngineName() {
  namespace fs = std::filesystem;
  const fs::path binary = replay::EngineBinary();
  std::error_code none;
  return fs::weakly_canonical(binary, none).string();
}

Result<Record> Begin(const Wishes& wishes) {
  Record fresh = {
      .seed = wishes.seed, .engine = EngineName(), .runs = wishes.runs};
  if (wishes.names.empty()) {
    for (const Workload& workload : AllWorkloads()) {
      fresh.workloads.push_back(&workload);
    }
  }
  for (const std::string& name : wishes.names) {
    fresh.workloads.push_back(FindWorkload(name));
  }
  if (!wishes.resume) return fresh;
  auto record = Read(wishes.state_path);
  if (!record.ok()) return record;
  if (record->engine != fresh.engine) {
    return Status::Invalid("that torture was of " + record->engine,
                           "begin anew, without --resume");
  }
  record->runs = wishes.runs;
  return record;
}

void Say(const Trial& trial, int of, const Outcome& outcome) {
  fmt::print("torture: {}/{} {:<15} {:<8} {:<10} {:>5.1f} s, {} compared: {}\n",
             trial.number, of, trial.workload->name,
             trial.streamed ? "streamed"
             : trial.dense  ? "dense"
                            : "recorded",
             trial.contention ? "contention" : "", outcome.seconds,
             outcome.compared, outcome.identical ? "identical" : "DIFFERENT");
  if (!outcome.identical) {
    fmt::print("torture:   {}\ntorture:   evidence: {}\n", outcome.failure,
               outcome.evidence);
  }
  std::fflush(stdout);
}

void SayHowToRepeat(const Record& record, const Trial& trial) {
  fmt::print("torture:   again: ./lockstep torture --seed {} --only {}",
             record.seed, trial.number);
  if (record.workloads.size() < AllWorkloads().size()) {
    for (const Workload* workload : record.workloads) {
      fmt::print(" {}", workload->name);
    }
  }
  fmt::print("\n");
}

// A void run is had again, so often at most.
constexpr int kAgainMax = 3;

void SayAgain(int number, const Outcome& outcome) {
  fmt::print("torture: {} again: {}\n", number, outcome.failure);
  std::fflush(stdout);
  std::error_code ignored;
  std::filesystem::remove_all(outcome.evidence, ignored);
}

// Starts runs `first` to `last`, so many at once, and tells of each in their
// order. A run that ended before an earlier one waits; false from `tell` ends
// it all.
bool RunAll(const Record& record, int first, int last, size_t jobs,
            const std::function<bool(const Trial&, const Outcome&)>& tell) {
  std::vector<std::unique_ptr<Worker>> workers;
  std::map<int, Outcome> ended;
  std::map<int, int> again;
  int next = first, told = first;
  while (told <= last) {
    while (next <= last && workers.size() < jobs) {
      const Trial trial = PlanTrial(record.seed, next++, record.workloads);
      workers.push_back(std::make_unique<Worker>(trial));
    }
    const size_t index = WaitForAny(workers);
    const Trial had = workers[index]->trial();
    const Outcome outcome = workers[index]->Await();
    workers.erase(workers.begin() + static_cast<ptrdiff_t>(index));
    if (outcome.is_void && again[had.number]++ < kAgainMax) {
      SayAgain(had.number, outcome);
      workers.push_back(std::make_unique<Worker>(had));
      continue;
    }
    ended[had.number] = outcome;
    for (; ended.contains(told); ++told) {
      const Trial trial = PlanTrial(record.seed, told, record.workloads);
      if (!tell(trial, ended.at(told))) return false;
    }
  }
  return true;
}

int Torture(Record& record, const Wishes& wishes) {
  fmt::print("torture: seed {}, runs {} to {}, engine {}\n", record.seed,
             record.done() + 1, record.runs, record.engine);
  const int first = wishes.only > 0 ? wishes.only : record.done() + 1;
  const int last = wishes.only > 0 ? wishes.only : record.runs;
  Status written;
  const auto tell = [&](const Trial& trial, const Outcome& outcome) {
    Say(trial, last, outcome);
    if (!outcome.identical) SayHowToRepeat(record, trial);
    Append(record, trial, outcome);
    if (wishes.only > 0) return true;
    written = Write(record, wishes.state_path);
    return written.ok();
  };
  if (!RunAll(record, first, last, wishes.jobs, tell)) {
    return Complain(written.ToString());
  }
  if (!wishes.json_path.empty()) {
    written = Write(record, wishes.json_path);
    if (!written.ok()) return Complain(written.ToString());
  }
  fmt::print("torture: {} of {} identical\n", record.identical(),
             record.done());
  return record.identical() == record.done() ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Hard workloads, recorded, replayed and compared", "torture");
  Wishes wishes;
  std::vector<std::string> known;
  for (const Workload& workload : AllWorkloads()) {
    known.push_back(workload.name);
  }
  app.add_option("--runs", wishes.runs, "how many (100)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--json", wishes.json_path, "write the results to this file");
  app.add_option("--seed", wishes.seed, "of the moments of clones (1)");
  app.add_option("--only", wishes.only, "this run alone");
  app.add_option("--jobs", wishes.jobs,
                 "so many runs at once (1); each wants one to two processors")
      ->check(CLI::Range(1, 64));
  app.add_flag("--resume", wishes.resume, "go on where the last one ended");
  app.add_flag("--needs", wishes.needs,
               "say which guests must have been made, and do nothing");
  app.add_option("--state", wishes.state_path, "the file to resume from");
  app.add_option("workload", wishes.names, "which of them (all)")
      ->check(CLI::IsMember(known));
  CLI11_PARSE(app, argc, argv);
  auto record = Begin(wishes);
  if (!record.ok()) return Complain(record.status().ToString());
  if (wishes.needs) {
    for (const std::string& guest : GuestsOf(record->workloads)) {
      fmt::print("{}\n", guest);
    }
    return 0;
  }
  const Status ready = replay::CheckTestPaths();
  if (!ready.ok()) return Complain(ready.ToString());
  return Torture(*record, wishes);
}

}  // namespace
}  // namespace ft::torture

int main(int argc, char** argv) {
  try {
    return ft::torture::Main(argc, argv);
  } catch (const std::exception& error) {
    return ft::torture::Complain(error.what());
  }
}
