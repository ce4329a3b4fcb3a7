// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/failover_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <numeric>
#include <string>

namespace ft::bench {
namespace {

using Reports = std::vector<const boost::json::object*>;

std::vector<double> Samples(const Reports& reports, const char* key) {
  std::vector<double> samples;
  for (const boost::json::object* report : reports) {
    samples.push_back(report->at(key).to_number<double>());
  }
  return samples;
}

double Sum(const Reports& reports, const char* key) {
  const std::vector<double> samples = Samples(reports, key);
  return std::accumulate(samples.begin(), samples.end(), 0.0);
}

// Target 11: the primary's processes are killed.
void AddKilled(const std::string& fault, const Reports& reports,
               std::vector<Figure>& figures) {
  const std::vector<double> samples = Samples(reports, "blackout_probe_ms");
  figures.push_back({.target = 11,
                     .metric = "blackout, 5 ms probe, " + fault,
                     .unit = "ms",
                     .better = Better::kLower,
                     .bar = 150,
                     .goal = 50,
                     .samples = samples});
  figures.push_back(
      {.target = 11,
       .metric = fmt::format("  longest of {}, {}", samples.size(), fault),
       .unit = "ms",
       .better = Better::kLower,
       .bar = 500,
       .goal = 150,
       .samples = {Summarize(samples).max}});
}

// Target 12: the host is silent.
void AddSilent(const Reports& reports, std::vector<Figure>& figures) {
  figures.push_back({.target = 12,
                     .metric = "blackout, 5 ms probe, link",
                     .unit = "ms",
                     .better = Better::kLower,
                     .bar = 1000,
                     .goal = 600,
                     .samples = Samples(reports, "blackout_probe_ms")});
}

// Targets 13, 14, 17: whatever the fault was.
void AddForAll(const Reports& all, std::vector<Figure>& figures) {
  const double connections = Sum(all, "connections");
  figures.push_back(
      {.target = 13,
       .metric =
           fmt::format("share of {} connections that survived", connections),
       .better = Better::kHigher,
       .bar = 1,
       .goal = 1,
       .samples = {Sum(all, "connections_survived") / connections}});
  figures.push_back(
      {.target = 14,
       .metric = fmt::format("lost or wrong, of {} acknowledged writes",
                             Sum(all, "acknowledged_writes")),
       .better = Better::kLower,
       .samples = {Sum(all, "lost_writes") + Sum(all, "wrong_values")}});
  figures.push_back({.target = 17,
                     .metric = "test-and-set decision",
                     .unit = "ms",
                     .better = Better::kLower,
                     .bar = 5,
                     .goal = 1,
                     .samples = Samples(all, "test_and_set_ms")});
}

// Beside the targets: what a TCP client noticed, and where the time went.
void AddDetails(const std::string& fault, const Reports& reports,
                std::vector<Figure>& figures) {
  const std::pair<const char*, const char*> details[] = {
      {"blackout, TCP writer", "blackout_writer_ms"},
      {"  detected after", "detect_ms"},
      {"  drained and live in", "drain_ms"}};
  for (const auto& [metric, key] : details) {
    figures.push_back({.metric = std::string(metric) + ", " + fault,
                       .unit = "ms",
                       .samples = Samples(reports, key)});
  }
}

}  // namespace

std::vector<Figure> FailoverFigures(
    const std::vector<boost::json::object>& reports) {
  std::map<std::string, Reports> by_fault;
  Reports all;
  for (const boost::json::object& report : reports) {
    by_fault[std::string(report.at("fault").as_string())].push_back(&report);
    all.push_back(&report);
  }
  std::vector<Figure> figures;
  if (all.empty()) return figures;
  for (const char* fault : {"qemu", "ftd", "host"}) {
    const auto it = by_fault.find(fault);
    if (it != by_fault.end()) AddKilled(fault, it->second, figures);
  }
  const auto link = by_fault.find("link");
  if (link != by_fault.end()) AddSilent(link->second, figures);
  AddForAll(all, figures);
  for (const auto& [fault, of_fault] : by_fault) {
    AddDetails(fault, of_fault, figures);
  }
  return figures;
}

}  // namespace ft::bench
