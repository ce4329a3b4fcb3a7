// SPDX-License-Identifier: GPL-2.0-or-later
//
// chaos: real pairs under real faults, one after the other. Exit 0 only if
// every promise held in every run.
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "tests/chaos/record.h"
#include "tests/chaos/trial.h"

namespace ft::chaos {
namespace {

namespace fs = std::filesystem;

struct Wishes {
  int runs = 100;
  int only = 0;
  uint64_t seed = 1;
  bool resume = false;
  bool plan = false;
  bool disk = false;
  std::string json_path = {};
  std::string state_path = "chaos.json";
  std::vector<std::string> faults = {};
};

int Complain(const std::string& what) {
  fmt::print(stderr, "chaos: {}\n", what);
  return 1;
}

Result<Record> Begin(const Wishes& wishes) {
  Record fresh = {.seed = wishes.seed,
                  .engine = fs::weakly_canonical(bed::EnginePath()),
                  .runs = wishes.runs};
  if (wishes.disk) fresh.storage = Storage::kDiskService;
  if (wishes.faults.empty()) fresh.kinds = FaultsWith(fresh.storage);
  for (const std::string& name : wishes.faults) {
    const FaultFacts& facts = FactsOf(*FaultFromName(name));
    if (facts.storage.value_or(fresh.storage) != fresh.storage) {
      return Status::Invalid(
          name + " needs a " + Name(*facts.storage),
          wishes.disk ? "leave --disk out" : "run it with --disk");
    }
    fresh.kinds.push_back(facts.kind);
  }
  if (!wishes.resume) return fresh;
  auto record = Read(wishes.state_path);
  if (!record.ok()) return record;
  if (record->engine != fresh.engine) {
    return Status::Invalid("those runs were of " + record->engine,
                           "begin anew, without --resume");
  }
  if (record->storage != fresh.storage) {
    return Status::Invalid(
        std::string("those runs were with a ") + Name(record->storage),
        wishes.disk ? "leave --disk out" : "resume them with --disk");
  }
  record->runs = wishes.runs;
  return record;
}

void SayHowToRepeat(const Record& record, const Trial& trial) {
  fmt::print("chaos:   again: ./lockstep chaos --seed {} --only {}",
             record.seed, trial.number);
  if (record.storage == Storage::kDiskService) fmt::print(" --disk");
  if (record.kinds.size() < FaultsWith(record.storage).size()) {
    for (const FaultKind kind : record.kinds) {
      fmt::print(" --fault {}", FactsOf(kind).name);
    }
  }
  fmt::print("\n");
}

void Say(const Record& record, const Trial& trial, int of,
         const RunOutcome& outcome) {
  const RunFigures& figures = outcome.figures;
  fmt::print("chaos: {}/{} {}: {}\n", trial.number, of, Text(trial),
             Name(outcome.sentence.judgement));
  fmt::print(
      "chaos:   {:.1f} s, {} operations, blackout {:.0f} ms, clients "
      "waited {:.0f} ms\n",
      figures.seconds, figures.operations, figures.probe_blackout_ms,
      figures.blackout_ms);
  for (const std::string& line : outcome.sentence.broken) {
    fmt::print("chaos:   {}\n", line);
  }
  if (!outcome.figures.evidence.empty()) {
    fmt::print("chaos:   evidence: {}\n", outcome.figures.evidence);
    SayHowToRepeat(record, trial);
  }
  std::fflush(stdout);
}

std::string EvidenceOf(const Wishes& wishes, const Record& record, int number) {
  const fs::path beside = fs::absolute(wishes.state_path).parent_path();
  return beside / "evidence" /
         fmt::format("seed-{}-run-{}", record.seed, number);
}

int Play(Record& record, const Wishes& wishes) {
  const int first = wishes.only > 0 ? wishes.only : record.done() + 1;
  const int last = wishes.only > 0 ? wishes.only : record.runs;
  fmt::print("chaos: seed {}, runs {} to {}, engine {}\n", record.seed, first,
             last, record.engine);
  std::fflush(stdout);
  Campaign campaign(record.seed, record.storage);
  for (int number = first; number <= last; ++number) {
    const Trial trial = PlanTrial(record.seed, number, record.kinds);
    if (wishes.plan) {
      fmt::print("chaos: {} {}{}\n", number, Text(trial),
                 MayLoseVm(trial) ? " (may lose the VM)" : "");
      continue;
    }
    const RunOutcome outcome =
        Perform(campaign, trial, record.seed + static_cast<uint64_t>(number),
                EvidenceOf(wishes, record, number));
    if (outcome.is_void()) {
      fmt::print("chaos: {} again, the machine stood still for {:.1f} s\n",
                 number, outcome.stalled_ms / 1000);
      std::fflush(stdout);
      --number;
      continue;
    }
    Say(record, trial, last, outcome);
    Append(record, trial, outcome.sentence, outcome.figures);
    if (wishes.only > 0) continue;
    const Status written = Write(record, wishes.state_path);
    if (!written.ok()) return Complain(written.ToString());
  }
  if (wishes.plan) return 0;
  if (!wishes.json_path.empty()) {
    const Status written = Write(record, wishes.json_path);
    if (!written.ok()) return Complain(written.ToString());
  }
  const int broken = record.count(Judgement::kBroken);
  fmt::print("\n{}\n", Table(BlackoutsOf(record)));
  fmt::print(
      "chaos: of {} runs {} kept every promise, {} lost the VM to two "
      "faults or before there was a backup, {} broke a promise\n",
      record.done(), record.count(Judgement::kKept),
      record.count(Judgement::kLost), broken);
  return broken == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Real faults on real pairs, by the hundred", "chaos");
  Wishes wishes;
  std::vector<std::string> known;
  for (const FaultFacts& facts : AllFaults()) known.push_back(facts.name);
  app.add_option("--runs", wishes.runs, "how many (100)")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--seed", wishes.seed, "of moments, durations, pairs (1)");
  app.add_option("--only", wishes.only, "this run alone, on a fresh bed");
  app.add_flag("--resume", wishes.resume, "go on where the last one ended");
  app.add_flag("--disk", wishes.disk,
               "the VM is a Debian on a disk service, which also has its "
               "record; faults of the service as well");
  app.add_flag("--plan", wishes.plan, "say what would be done, and do nothing");
  app.add_option("--json", wishes.json_path, "write the results to this file");
  app.add_option("--state", wishes.state_path, "the file to resume from");
  app.add_option("--fault", wishes.faults, "only these faults (all)")
      ->check(CLI::IsMember(known))
      ->expected(1, static_cast<int>(known.size()));
  CLI11_PARSE(app, argc, argv);
  auto record = Begin(wishes);
  if (!record.ok()) return Complain(record.status().ToString());
  return Play(*record, wishes);
}

}  // namespace
}  // namespace ft::chaos

int main(int argc, char** argv) {
  // A writer that is gone is an error that is looked at, not a signal.
  signal(SIGPIPE, SIG_IGN);
  try {
    return ft::chaos::Main(argc, argv);
  } catch (const std::exception& error) {
    return ft::chaos::Complain(error.what());
  }
}
