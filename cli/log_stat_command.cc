// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "cli/verb.h"
#include "replay/log_scan.h"
#include "replay/log_statistics.h"

namespace ft::cli {
namespace {

namespace json = boost::json;
using replay::LogStatistics;

double Percent(uint64_t part, uint64_t whole) {
  return whole == 0
             ? 0
             : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

class LogStatCommand : public Verb {
 public:
  std::string name() const override { return "log stat"; }
  std::string help() const override {
    return "What an archived log is made of, and what it costs";
  }
  std::string example() const override {
    return "ftctl log stat divergence.ftlog";
  }
  void AddOptions(CLI::App& app) override {
    app.add_option("FILE", file_, "an archived log")->required();
    app.add_flag("--json", json_, "one JSON object");
  }
  Status Run(Client&) override {
    auto opened = replay::LogScan::Open(file_);
    if (!opened.ok()) return opened.status();
    replay::LogScan& scan = **opened;
    LogStatistics statistics;
    while (scan.NextEntry()) {
      statistics.BeginEntry(scan.entry(), scan.time_us());
      while (auto event = scan.NextEvent()) statistics.Add(*event);
    }
    statistics.Finish();
    json_ ? PrintJson(statistics) : PrintTable(statistics);
    if (scan.status().ok()) return Status::Ok();
    return Status::Failed(scan.status().message(), scan.status().remedy());
  }

 private:
  void PrintTable(const LogStatistics& s) {
    fmt::print("{:<18}{:>12}{:>14}{:>9}\n", "KIND", "EVENTS", "BYTES", "SHARE");
    const auto row = [&s](const char* name, uint64_t count, uint64_t bytes) {
      fmt::print("{:<18}{:>12}{:>14}{:>8.1f}%\n", name, count, bytes,
                 Percent(bytes, s.bytes()));
    };
    for (const auto& [kind, figures] : s.kinds()) {
      row(replay::Name(kind), figures.events, figures.bytes);
    }
    row("(entries)", s.entries(), s.header_bytes());
    row("total", s.events(), s.bytes());
    fmt::print("\ninstructions            {}\n", s.instructions());
    fmt::print("bytes a 1000 of them    {:.3f}\n",
               s.bytes_per_1000_instructions());
    fmt::print("packets to the guest    {} bytes\n", s.net_bytes());
    if (const auto seconds = s.seconds()) {
      fmt::print("time                    {:.2f} s\n", *seconds);
      fmt::print("rate                    {:.3f} Mbit/s\n",
                 *s.megabits_per_second());
    }
    fmt::print("\nLARGEST ENTRIES\n{:>12}{:>12}{:>9}  {}\n", "POSITION",
               "BYTES", "EVENTS", "MOST OF IT");
    for (const auto& entry : s.largest()) {
      fmt::print("{:>12}{:>12}{:>9}  {}\n", entry.position, entry.bytes,
                 entry.events, entry.largest);
    }
  }

  void PrintJson(const LogStatistics& s) {
    json::object kinds;
    for (const auto& [kind, figures] : s.kinds()) {
      kinds[replay::Name(kind)] = {{"events", figures.events},
                                   {"bytes", figures.bytes}};
    }
    json::array largest;
    for (const auto& entry : s.largest()) {
      largest.push_back({{"position", entry.position},
                         {"bytes", entry.bytes},
                         {"events", entry.events},
                         {"largest_event", entry.largest}});
    }
    json::object report = {
        {"file", file_},
        {"kinds", std::move(kinds)},
        {"entries", s.entries()},
        {"events", s.events()},
        {"bytes", s.bytes()},
        {"header_bytes", s.header_bytes()},
        {"instructions", s.instructions()},
        {"bytes_per_1000_instructions", s.bytes_per_1000_instructions()},
        {"net_bytes", s.net_bytes()},
        {"seconds", nullptr},
        {"megabits_per_second", nullptr},
        {"largest_entries", std::move(largest)}};
    if (const auto seconds = s.seconds()) {
      report["seconds"] = *seconds;
      report["megabits_per_second"] = *s.megabits_per_second();
    }
    fmt::print("{}\n", json::serialize(report));
  }

  std::string file_;
  bool json_ = false;
};

const VerbRegistration kLogStat(std::make_unique<LogStatCommand>());

}  // namespace
}  // namespace ft::cli
