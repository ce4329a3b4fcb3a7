// SPDX-License-Identifier: GPL-2.0-or-later
//
// lockstep_sim: many runs, one after the other. ./lockstep sim runs it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "tests/sim/run.h"

namespace ft::sim {
namespace {

using Clock = std::chrono::steady_clock;

struct Totals {
  uint64_t runs = 0, steps = 0, answered = 0, failovers = 0, faults = 0;
  uint64_t served = 0;
  double seconds = 0;
  double cpu_seconds = 0;  // of this one thread

  double per_second() const { return runs / std::max(cpu_seconds, 1e-6); }

  void Add(const RunResult& result) {
    ++runs;
    steps += result.steps;
    answered += result.answered;
    failovers += result.failovers;
    faults += result.faults;
    served += result.served;
  }
};

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool WriteJson(const std::string& path, const Options& options,
               const Totals& totals, const std::optional<RunResult>& failed) {
  boost::json::object json{{"runs", totals.runs},
                           {"first_seed", options.seed},
                           {"planted", Name(options.planted)},
                           {"seconds", totals.seconds},
                           {"processor_seconds", totals.cpu_seconds},
                           {"runs_per_processor_second", totals.per_second()},
                           {"events", totals.steps},
                           {"faults", totals.faults},
                           {"changes_of_epoch", totals.failovers},
                           {"acknowledged_writes", totals.answered},
                           {"vm_alive_at_the_end", totals.served},
                           {"violations", failed ? 1 : 0}};
  if (failed) {
    json["seed"] = failed->seed;
    json["step"] = failed->steps;
    json["invariant"] = fencing::Name(failed->violation->invariant);
    json["what"] = failed->violation->what;
  }
  std::ofstream file(path);
  file << boost::json::serialize(json) << "\n";
  return file.good();
}

int Main(int argc, char** argv) {
  CLI::App app("The protocol in a simulated world, again and again");
  Options options;
  uint64_t runs = 10000, only = 0;
  std::string json, plant = "none";
  size_t lines = 60;
  bool progress = isatty(fileno(stderr));
  app.add_option("--seed", options.seed, "of the first run; the next has +1");
  app.add_option("--runs", runs, "how many")->capture_default_str();
  app.add_option("--only", only, "one run, of this seed, with its whole story");
  app.add_option("--json", json, "a file for machines");
  app.add_option("--plant", plant,
                 "a fault in the protocol itself, to be found");
  app.add_option("--lines", lines, "of the story")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  const auto planted = PlantedFromName(plant);
  if (!planted) {
    fmt::print(stderr, "sim: there is no fault called {}\n", plant);
    return 2;
  }
  options.planted = *planted;
  if (only != 0) {
    options.seed = only;
    runs = 1;
    lines = 256;
  }
  fmt::print("sim: seed {}, {} runs, planted fault: {}\n", options.seed, runs,
             plant);
  std::fflush(stdout);

  Totals totals;
  std::optional<RunResult> failed;
  const Clock::time_point begun = Clock::now();
  const std::clock_t cpu_begun = std::clock();
  Options run = options;
  for (uint64_t i = 0; i < runs && !failed; ++i, ++run.seed) {
    RunResult result = RunOnce(run, lines, only != 0);
    totals.Add(result);
    if (result.violation) failed = std::move(result);
    if (only != 0 && !failed) fmt::print("{}", result.trace);
    if (progress && i % 1000 == 999) {
      fmt::print(stderr, "\rsim: {} of {} runs", i + 1, runs);
    }
  }
  if (progress && runs >= 1000) fmt::print(stderr, "\n");
  totals.seconds = SecondsSince(begun);
  totals.cpu_seconds =
      static_cast<double>(std::clock() - cpu_begun) / CLOCKS_PER_SEC;
  if (failed) fmt::print("{}", Tell(*failed, run));
  fmt::print(
      "sim: {} runs in {:.1f} s ({:.0f} a second of processor time): {} "
      "events, {} faults, {} "
      "changes of epoch, {} acknowledged writes, VM alive at the end of {}; "
      "{}\n",
      totals.runs, totals.seconds, totals.per_second(), totals.steps,
      totals.faults, totals.failovers, totals.answered, totals.served,
      failed ? "VIOLATED" : "no violation");
  if (!json.empty() && !WriteJson(json, options, totals, failed)) {
    fmt::print(stderr, "sim: cannot write {}\n", json);
    return 2;
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace ft::sim

int main(int argc, char** argv) { return ft::sim::Main(argc, argv); }
