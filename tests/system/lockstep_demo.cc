// SPDX-License-Identifier: GPL-2.0-or-later
//
// The demo: a Redis in a protected VM under write load, its host dies, and a
// table says what the client noticed, and what is on the disk if there is
// one. Exit 0 only if every promise held.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "tests/system/failover_story.h"

namespace ft::bed {
namespace {

struct Row {
  const char* label;
  const char* key;
  const char* unit;
};

constexpr Row kTable[] = {
    {"fault", "fault", ""},
    {"engine", "engine", ""},
    {"acknowledged writes", "acknowledged_writes", ""},
    {"lost writes", "lost_writes", ""},
    {"wrong values", "wrong_values", ""},
    {"connections", "connections", ""},
    {"  that survived", "connections_survived", ""},
    {"disk", "disk", ""},
    {"  acknowledged writes on it", "writes_on_disk", ""},
    {"  lost there", "lost_on_disk", ""},
    {"  wrong there", "wrong_on_disk", ""},
    {"  file system clean", "file_system_clean", ""},
    {"live sides", "live_sides", ""},
    {"epoch", "epoch", ""},
    {"blackout: 5 ms probe", "blackout_probe_ms", "ms"},
    {"blackout: TCP writer", "blackout_writer_ms", "ms"},
    {"  of both: detection", "detect_ms", "ms"},
    {"  of both: test-and-set", "test_and_set_ms", "ms"},
    {"  of both: drain and go live", "drain_ms", "ms"},
    {"clone: pause", "clone_pause_ms", "ms"},
    {"clone: total", "clone_total_ms", "ms"},
    {"longest gap before the fault", "longest_gap_before_ms", "ms"},
    {"log", "log_mbit_per_s", "Mbit/s"},
    {"output delay p50", "output_delay_us_p50", "us"},
    {"output delay p99", "output_delay_us_p99", "us"},
    {"execution lag p99", "execution_lag_ms_p99", "ms"},
    {"writes per second", "writes_per_s", "1/s"},
    {"write latency p50", "latency_us_p50", "us"},
    {"write latency p99", "latency_us_p99", "us"},
};

std::string Formatted(const char* format, double number) {
  char text[32];
  snprintf(text, sizeof text, format, number);
  return text;
}

std::string Shown(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (!value.is_double()) return boost::json::serialize(value);
  const double number = value.as_double();
  return Formatted(number >= 100 ? "%.0f" : "%.2f", number);
}

// A field a line, numbers as people write them (Boost.JSON writes 2.5E-1).
void WriteJson(const boost::json::object& out, const std::string& path) {
  std::ofstream file(path);
  const char* separator = "{\n";
  for (const auto& [key, value] : out) {
    file << separator << "  \"" << key << "\": "
         << (value.is_double() ? Formatted("%.3f", value.as_double())
                               : boost::json::serialize(value));
    separator = ",\n";
  }
  file << "\n}\n";
  if (!file.flush()) throw BedError(path + " cannot be written");
}

void PrintTable(const boost::json::object& out) {
  printf("\n");
  for (const Row& row : kTable) {
    const boost::json::value* value = out.if_contains(row.key);
    if (!value) continue;  // there is no disk
    printf("  %-30s %14s %s\n", row.label, Shown(*value).c_str(), row.unit);
  }
  printf("\n");
}

void Narrate(const std::string& who, const std::string& what,
             double elapsed_ms) {
  printf("%9.0f ms  %-7s %s\n", elapsed_ms, who.c_str(), what.c_str());
  fflush(stdout);
}

int Demo(const StoryOptions& options, const std::string& json_path) {
  TestBed bed;
  StoryResult result;
  try {
    result = TellFailover(bed, options);
  } catch (const std::exception&) {
    bed.KeepArtifacts();
    throw;
  }
  const boost::json::object out = result.ToJson(options);
  PrintTable(out);
  if (!json_path.empty()) WriteJson(out, json_path);
  for (const std::string& line : result.broken) {
    fprintf(stderr, "lockstep_demo: broken promise: %s\n", line.c_str());
  }
  if (!result.broken.empty()) {
    bed.KeepArtifacts();
    return 1;
  }
  printf("Every promise held.\n");
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "A protected VM survives the death of its host, before your "
      "eyes");
  StoryOptions options;
  options.narrate = Narrate;
  std::string json_path;
  std::string fault = "host";
  std::string disk = "none";
  double seconds = 4;
  app.add_option("--json", json_path, "write the figures to this file");
  app.add_option("--kill", fault, "qemu, ftd, host, link or planned")
      ->check(CLI::IsMember({"qemu", "ftd", "host", "link", "planned"}));
  app.add_option("--disk", disk,
                 "a Debian guest on a disk: shared (at a disk service), or "
                 "private (one of each host)")
      ->check(CLI::IsMember({"none", "shared", "private"}));
  app.add_option("--memory", options.memory_mib, "the VM's memory in MiB")
      ->check(CLI::Range(128, 8192));
  app.add_option("--seconds", seconds,
                 "load before the fault, and again after it")
      ->check(CLI::Range(0.5, 3600.0));
  app.add_option("--depth", options.depth, "writes in flight at once")
      ->check(CLI::Range(1, 256));
  CLI11_PARSE(app, argc, argv);
  options.fault = FaultFromName(fault);
  options.disk = DiskKindFromName(disk);
  // Each of them waits for a disk.
  if (options.disk != DiskKind::kNone) options.writes_min = 200;
  options.before = options.after =
      milliseconds(static_cast<int64_t>(seconds * 1000));
  return Demo(options, json_path);
}

}  // namespace
}  // namespace ft::bed

int main(int argc, char** argv) {
  try {
    return ft::bed::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "lockstep_demo: %s\n", error.what());
    return 1;
  }
}
