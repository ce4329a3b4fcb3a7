// SPDX-License-Identifier: GPL-2.0-or-later
//
// bench engine: what fault tolerance costs a guest, and what it costs on the
// wire. Plain and replicated runs of the same workloads take turns of a fifth
// of a second (side_by_side.h); those with a network alternate as a whole.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <map>

#include "tests/bench/figures.h"
#include "tests/bench/measured_run.h"
#include "tests/bench/side_by_side.h"
#include "tests/bench/workload.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/test_paths.h"

namespace ft::bench {
namespace {

constexpr double kMebibyte = 1 << 20;

struct Pair {
  PlainRun plain;
  // Beside the replay, where plain and FT took turns.
  std::optional<PlainRun> plain_of_replay;
  ReplicatedRun ft;
  ClockRun clock;  // of a clock, and nothing else then
};

using Pairs = std::vector<Pair>;

template <typename Value>
std::vector<double> Each(const Pairs& pairs, Value value) {
  std::vector<double> samples;
  for (const Pair& pair : pairs) samples.push_back(value(pair));
  return samples;
}

bool IsClock(const Workload& workload) { return workload.peer == Peer::kClock; }

bool IsIdle(const Workload& workload) {
  return std::string(workload.name) == "idle";
}

// --- which figure of which workload is a target (shares its number with the
// project's list)

Figure Speed(const Workload& workload, const Pairs& pairs) {
  const std::string name = workload.name;
  Figure figure = {.metric = name + ": speed with FT / plain",
                   .unit = "ratio",
                   .better = Better::kHigher};
  if (name == "cpu") {
    figure.target = 1, figure.bar = 0.85, figure.goal = 0.97;
  } else if (name == "fork" || name == "compile") {
    figure.target = 2, figure.bar = 0.85, figure.goal = 0.95;
  } else if (name == "kv") {
    figure.target = 3, figure.bar = 0.80, figure.goal = 0.95;
  } else {
    figure.better = Better::kUnstated;
  }
  figure.samples = Each(pairs, [&](const Pair& pair) {
    return workload.peer == Peer::kClient
               ? pair.ft.requests.per_second / pair.plain.requests.per_second
               : pair.plain.plain.seconds / pair.ft.record.seconds;
  });
  return figure;
}

Figure Replay(const Workload& workload, const Pairs& pairs) {
  Figure figure = {
      .target = 4,
      .metric = std::string(workload.name) + ": replay time / record time",
      .unit = "ratio",
      .better = Better::kLower,
      .bar = 1.10,
      .goal = 0.9};
  figure.samples = Each(pairs, [](const Pair& pair) {
    const double ratio = pair.ft.replay.seconds / pair.ft.record.seconds;
    if (!pair.plain_of_replay) return ratio;
    // What the machine was worth then and now.
    return ratio * pair.plain.plain.seconds /
           pair.plain_of_replay->plain.seconds;
  });
  return figure;
}

// The same two ratios in processor time: they bear a busy machine better.
void AppendCpuTime(const Workload& workload, const Pairs& pairs,
                   std::vector<Figure>& figures) {
  const std::string name = workload.name;
  figures.push_back({.metric = name + ": engine's CPU time, plain / FT",
                     .unit = "ratio",
                     .samples = Each(pairs, [](const Pair& pair) {
                       return pair.plain.plain.cpu_seconds /
                              pair.ft.record.cpu_seconds;
                     })});
  figures.push_back({.metric = name + ": engine's CPU time, replay / record",
                     .unit = "ratio",
                     .samples = Each(pairs, [](const Pair& pair) {
                       return pair.ft.replay.cpu_seconds /
                              pair.ft.record.cpu_seconds;
                     })});
}

Figure LogRate(const Workload& workload, const Pairs& pairs) {
  const std::string name = workload.name;
  Figure figure = {
      .metric = name + ": log", .unit = "Mbit/s", .better = Better::kLower};
  if (name == "idle") {
    figure.target = 5, figure.bar = 0.20, figure.goal = 0.03;
  } else if (name == "compile") {
    figure.target = 6, figure.bar = 1.5, figure.goal = 0.3;
  } else {
    figure.better = Better::kUnstated;
  }
  figure.samples = Each(pairs, [](const Pair& pair) {
    return static_cast<double>(pair.ft.log_bytes) * 8e-6 /
           pair.ft.record.seconds;
  });
  return figure;
}

Figure LogPerInstruction(const Workload& workload, const Pairs& pairs) {
  const std::string name = workload.name;
  Figure figure = {.metric = name + ": log per 1000 instructions",
                   .unit = "B",
                   .better = Better::kLower};
  if (name == "cpu") {
    figure.target = 8, figure.bar = 0.05, figure.goal = 0.01;
  } else {
    figure.better = Better::kUnstated;
  }
  figure.samples = Each(pairs, [](const Pair& pair) {
    return static_cast<double>(pair.ft.log_bytes) * 1e3 /
           static_cast<double>(pair.ft.instructions);
  });
  return figure;
}

Figure LogPerReceivedByte(const Workload& workload, const Pairs& pairs) {
  Figure figure = {
      .target = 7,
      .metric = std::string(workload.name) + ": log per received byte",
      .unit = "B",
      .better = Better::kLower,
      .bar = 1.06,
      .goal = 1.02};
  figure.samples = Each(pairs, [&](const Pair& pair) {
    return static_cast<double>(pair.ft.log_bytes) /
           (workload.rounds * kMebibyte);
  });
  return figure;
}

Figure ClockOff(const Workload& workload, const Pairs& pairs) {
  return {.target = 19,
          .metric = fmt::format("{}: off the host's clock, {} s", workload.name,
                                workload.rounds),
          .unit = "ms",
          .better = Better::kLower,
          .bar = 50,
          .goal = 5,
          .samples = Each(
              pairs, [](const Pair& pair) { return pair.clock.off_ms_max; })};
}

void AppendRequests(const Workload& workload, const Pairs& pairs,
                    std::vector<Figure>& figures) {
  const std::string name = workload.name;
  figures.push_back({.metric = name + ": requests with FT",
                     .unit = "1/s",
                     .samples = Each(pairs, [](const Pair& pair) {
                       return pair.ft.requests.per_second;
                     })});
  figures.push_back(
      {.metric = name + ": added latency p50, one host",
       .unit = "ms",
       .samples = Each(pairs, [](const Pair& pair) {
         return (pair.ft.requests.p50_us - pair.plain.requests.p50_us) / 1e3;
       })});
  figures.push_back(
      {.metric = name + ": added latency p99, one host",
       .unit = "ms",
       .samples = Each(pairs, [](const Pair& pair) {
         return (pair.ft.requests.p99_us - pair.plain.requests.p99_us) / 1e3;
       })});
}

std::vector<Figure> FiguresOf(const Workload& workload, const Pairs& pairs) {
  std::vector<Figure> figures;
  if (IsClock(workload)) return {ClockOff(workload, pairs)};
  if (!IsIdle(workload)) {
    figures.push_back(Speed(workload, pairs));
    figures.push_back(Replay(workload, pairs));
  }
  if (!IsIdle(workload)) AppendCpuTime(workload, pairs, figures);
  figures.push_back(LogRate(workload, pairs));
  if (!IsIdle(workload)) figures.push_back(LogPerInstruction(workload, pairs));
  if (workload.peer == Peer::kSender) {
    figures.push_back(LogPerReceivedByte(workload, pairs));
  }
  if (workload.peer == Peer::kClient) {
    AppendRequests(workload, pairs, figures);
  }
  return figures;
}

// --- measuring

std::optional<Pair> Measure(const Workload& workload) {
  Pair pair;
  if (IsClock(workload)) {
    const auto clock = RunClock(workload);
    if (!clock) return std::nullopt;
    pair.clock = *clock;
    return pair;
  }
  if (workload.peer == Peer::kNobody && !IsIdle(workload)) {
    const auto both = RunSideBySide(workload);
    if (!both) return std::nullopt;
    pair.plain = both->plain;
    pair.plain_of_replay = both->plain_of_replay;
    pair.ft = both->ft;
    return pair;
  }
  if (!IsIdle(workload)) {
    const auto plain = RunPlain(workload);
    if (!plain) return std::nullopt;
    pair.plain = *plain;
  }
  const auto ft = RunReplicated(workload);
  if (!ft) return std::nullopt;
  pair.ft = *ft;
  return pair;
}

void Say(const Workload& workload, const Pair& pair, int number, int of) {
  fmt::print("bench: {}/{} {}: ", number, of, workload.name);
  if (IsClock(workload)) {
    fmt::print("{:.2f} ms off at the most, {:.2f} ms in the end\n",
               pair.clock.off_ms_max, pair.clock.off_ms_end);
    std::fflush(stdout);
    return;
  }
  if (!IsIdle(workload))
    fmt::print("plain {:.2f} s, ", pair.plain.plain.seconds);
  fmt::print("record {:.2f} s, replay {:.2f} s, log {:.1f} kB\n",
             pair.ft.record.seconds, pair.ft.replay.seconds,
             static_cast<double>(pair.ft.log_bytes) / 1e3);
  std::fflush(stdout);
}

int Bench(const std::vector<const Workload*>& workloads, int pairs,
          const std::string& json_path) {
  std::map<const Workload*, Pairs> measured;
  for (int number = 1; number <= pairs; ++number) {
    for (const Workload* workload : workloads) {
      const auto pair = Measure(*workload);
      if (!pair) {
        fmt::print(stderr, "bench: {} could not be measured\n", workload->name);
        return 1;
      }
      Say(*workload, *pair, number, pairs);
      measured[workload].push_back(*pair);
    }
  }
  std::vector<Figure> figures;
  for (const Workload* workload : workloads) {
    for (Figure& figure : FiguresOf(*workload, measured[workload])) {
      figures.push_back(std::move(figure));
    }
  }
  fmt::print(
      "\nMedian of {} pairs. Ratios are against the same engine under "
      "plain TCG; what TCG\ncosts against KVM comes on top and is in "
      "none of them.\n\n",
      pairs);
  PrintTable(figures, stdout);
  if (json_path.empty()) return 0;
  std::ofstream file(json_path);
  file << boost::json::serialize(ToJson(figures)) << "\n";
  if (file.flush()) return 0;
  fmt::print(stderr, "bench: {} cannot be written\n", json_path);
  return 1;
}

int Main(int argc, char** argv) {
  CLI::App app("What fault tolerance costs a guest", "engine_bench");
  std::string json_path;
  int pairs = 5;
  std::vector<std::string> names;
  std::vector<std::string> known, usual;
  for (const Workload& workload : AllWorkloads()) {
    known.push_back(workload.name);
    if (RunsByDefault(workload)) usual.push_back(workload.name);
  }
  app.add_option("--json", json_path, "write the figures to this file");
  app.add_option("--pairs", pairs, "plain and replicated runs of each (5)")
      ->check(CLI::Range(1, 1000));
  app.add_option("workload", names,
                 "which of them (all but the clocks, ten minutes each)")
      ->check(CLI::IsMember(known));
  CLI11_PARSE(app, argc, argv);
  if (names.empty()) names = usual;
  std::vector<const Workload*> workloads;
  for (const std::string& name : names) {
    workloads.push_back(FindWorkload(name));
  }
  Status ready = replay::CheckTestPaths();
  const replay::NetworkBed bed;
  if (ready.ok()) ready = bed.status();
  if (!ready.ok()) {
    fmt::print(stderr, "bench: {}\n", ready.ToString());
    return 1;
  }
  return Bench(workloads, pairs, json_path);
}

}  // namespace
}  // namespace ft::bench

int main(int argc, char** argv) {
  try {
    return ft::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench: {}\n", error.what());
    return 1;
  }
}
