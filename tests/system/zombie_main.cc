// SPDX-License-Identifier: GPL-2.0-or-later
//
// zombie: primaries that come back from the dead, one after the other. Exit 0
// only if none changed a block.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fstream>

#include "tests/system/zombie_story.h"

namespace ft::bed {
namespace {

struct Wishes {
  int runs = 100;
  uint64_t seed = 1;
  std::string json_path;
};

struct Sum {
  int runs = 0, voids = 0, under_way = 0, refused = 0, broken = 0;
};

void WriteJson(const Wishes& wishes, const Sum& sum) {
  std::ofstream file(wishes.json_path);
  file << boost::json::serialize(
              boost::json::object{{"seed", wishes.seed},
                                  {"runs", sum.runs},
                                  {"void", sum.voids},
                                  {"broken", sum.broken},
                                  {"with_writes_under_way", sum.under_way},
                                  {"refused_by_the_service", sum.refused}})
       << "\n";
  if (!file.flush()) throw BedError(wishes.json_path + " cannot be written");
}

int Play(const Wishes& wishes) {
  Sum sum;
  fmt::print("zombie: seed {}, {} runs\n", wishes.seed, wishes.runs);
  std::fflush(stdout);
  ZombieStory story(wishes.seed);
  try {
    while (sum.runs < wishes.runs) {
      const ZombieEnd end = story.TellOnce();
      if (end.is_void) {
        fmt::print("zombie: again: the primary missed its backup first\n");
        std::fflush(stdout);
        if (++sum.voids > wishes.runs)
          throw BedError("the machine is too slow");
        continue;
      }
      ++sum.runs;
      sum.under_way += end.under_way ? 1 : 0;
      sum.refused += end.refused ? 1 : 0;
      sum.broken += end.broken.empty() ? 0 : 1;
      fmt::print(
          "zombie: {}/{} writes {}, all blocks written anew after "
          "{:.0f} ms{}: {}\n",
          sum.runs, wishes.runs, end.under_way ? "under way" : "held",
          end.blackout_ms, end.refused ? ", late ones refused" : "",
          end.broken.empty() ? "unchanged, and it halted" : "BROKEN");
      for (const std::string& line : end.broken) {
        fmt::print("zombie:   {}\n", line);
      }
      std::fflush(stdout);
    }
  } catch (const std::exception&) {
    story.bed().KeepArtifacts();
    throw;
  }
  if (sum.broken > 0) story.bed().KeepArtifacts();
  if (!wishes.json_path.empty()) WriteJson(wishes, sum);
  fmt::print(
      "zombie: {} of {} changed no block and halted; {} had writes under way, "
      "and the disk service refused late writes of {}\n",
      sum.runs - sum.broken, sum.runs, sum.under_way, sum.refused);
  if (sum.under_way > 0 && sum.refused == 0) {
    fmt::print(stderr, "zombie: no late write was refused, so none came\n");
    return 1;
  }
  return sum.broken == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app("Primaries that come back when another host has their disk",
               "zombie");
  Wishes wishes;
  app.add_option("--runs", wishes.runs, "how many (100)")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--seed", wishes.seed, "of the moments (1)");
  app.add_option("--json", wishes.json_path, "write the figures to this file");
  CLI11_PARSE(app, argc, argv);
  return Play(wishes);
}

}  // namespace
}  // namespace ft::bed

int main(int argc, char** argv) {
  try {
    return ft::bed::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "zombie: {}\n", error.what());
    return 1;
  }
}
