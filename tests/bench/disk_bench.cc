// SPDX-License-Identifier: GPL-2.0-or-later
//
// bench disk: what fault tolerance costs a guest's disk, and what the disk
// costs on the wire. A plain run and a protected one after the other, for each
// mode in turn, so that a slow minute of the machine touches all alike.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>

#include "tests/bench/disk_figures.h"
#include "tests/replay/network_bed.h"
#include "tests/replay/test_paths.h"

namespace ft::bench {
namespace {

struct Arguments {
  std::string json_path;
  int pairs = 3;
  DiskRunOptions run;
  std::vector<std::string> modes;
};

void Say(const DiskMode& mode, const DiskPair& pair, int number, int of) {
  fmt::print("bench: {}/{} {}:", number, of, mode.name);
  const char* separator = " ";
  for (size_t i = 0; i < AllDiskAccesses().size(); ++i) {
    fmt::print("{}{} {:.1f} of {:.1f} MiB/s", separator,
               AllDiskAccesses()[i].name, pair.ft[i].fio.mib_per_second,
               pair.plain[i].fio.mib_per_second);
    separator = ", ";
  }
  fmt::print("\n");
  std::fflush(stdout);
}

std::optional<DiskPair> Measure(const DiskMode& mode,
                                const DiskRunOptions& options) {
  const auto plain = RunDiskPlain(mode, options);
  if (!plain) return std::nullopt;
  const auto ft = RunDiskProtected(mode, options);
  if (!ft) return std::nullopt;
  return DiskPair{.plain = *plain, .ft = *ft};
}

bool WriteJson(const std::vector<Figure>& figures, const std::string& path) {
  std::ofstream file(path);
  file << boost::json::serialize(ToJson(figures)) << "\n";
  if (file.flush()) return true;
  fmt::print(stderr, "bench: {} cannot be written\n", path);
  return false;
}

int Bench(const Arguments& arguments) {
  std::map<const DiskMode*, std::vector<DiskPair>> measured;
  for (int number = 1; number <= arguments.pairs; ++number) {
    for (const std::string& name : arguments.modes) {
      const DiskMode* mode = FindDiskMode(name);
      const auto pair = Measure(*mode, arguments.run);
      if (!pair) {
        fmt::print(stderr, "bench: {} could not be measured\n", name);
        return 1;
      }
      Say(*mode, *pair, number, arguments.pairs);
      measured[mode].push_back(*pair);
    }
  }
  const std::vector<Figure> figures = DiskFigures(measured);
  fmt::print(
      "\nMedian of {} pairs; images on a tmpfs, the backup on the same "
      "machine, {}.\nRatios are against the same engine under plain TCG.\n\n",
      arguments.pairs,
      arguments.run.processor_each ? "each host with a processor of its own"
                                   : "all hosts on all its processors");
  PrintTable(figures, stdout);
  if (arguments.json_path.empty()) return 0;
  return WriteJson(figures, arguments.json_path) ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("What fault tolerance costs a guest's disk", "disk_bench");
  Arguments arguments;
  std::vector<std::string> known;
  for (const DiskMode& mode : AllDiskModes()) known.push_back(mode.name);
  app.add_option("--json", arguments.json_path,
                 "write the figures to this file");
  app.add_option("--pairs", arguments.pairs,
                 "plain and protected runs of each mode (3)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--seconds", arguments.run.seconds,
                 "of each kind of access (4)")
      ->check(CLI::Range(1, 600));
  app.add_option("--modes", arguments.modes, "which, with commas (all)")
      ->delimiter(',')
      ->check(CLI::IsMember(known));
  std::string processors = "each";
  app.add_option("--processors", processors,
                 "each: the plain guest, the primary and the backup have one "
                 "each; shared: all run on all (each)")
      ->check(CLI::IsMember({"each", "shared"}));
  CLI11_PARSE(app, argc, argv);
  arguments.run.processor_each = processors == "each";
  if (arguments.modes.empty()) arguments.modes = known;
  Status ready = replay::CheckTestPaths();
  const replay::NetworkBed bed;
  if (ready.ok()) ready = bed.status();
  if (!ready.ok()) {
    fmt::print(stderr, "bench: {}\n", ready.ToString());
    return 1;
  }
  return Bench(arguments);
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
