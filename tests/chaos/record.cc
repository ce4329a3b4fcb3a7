// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/record.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/value_to.hpp>
#include <cmath>
#include <map>

#include "tests/state_file.h"

namespace ft::chaos {

namespace json = boost::json;

namespace {

// A host that is cut off for less is not always suspected.
constexpr int kSilentHostMs = 1500;

double Number(const json::value& result, const char* key) {
  return result.at(key).to_number<double>();
}

bool Is(const json::value& result, const char* key, std::string_view text) {
  return result.at(key).as_string() == text;
}

// Nearest rank; 0 of nothing.
double Percentile(std::vector<double>& values, double fraction) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  const auto rank = static_cast<size_t>(
      std::ceil(fraction * static_cast<double>(values.size())));
  return values[std::max<size_t>(rank, 1) - 1];
}

double BlackoutOf(const json::value& result) {
  const double probe = Number(result, "probe_blackout_ms");
  return probe > 0 ? probe : Number(result, "blackout_ms");
}

// The blackouts of the kept runs that `wanted` picks.
template <typename Wanted>
std::vector<double> Pick(const Record& record, Wanted wanted) {
  std::vector<double> picked;
  for (const json::value& result : record.results) {
    if (Is(result, "judgement", Name(Judgement::kKept)) && wanted(result)) {
      picked.push_back(BlackoutOf(result));
    }
  }
  return picked;
}

bool IsProcessesKilled(const json::value& result) {
  return Is(result, "label", "engine-killed primary") ||
         Is(result, "label", "ftd-killed primary") ||
         Is(result, "label", "host-killed primary");
}

bool IsHostSilent(const json::value& result) {
  return Is(result, "label", "host-cut primary") &&
         Number(result, "lasts_ms") >= kSilentHostMs;
}

json::object BlackoutRow(int target, const char* metric,
                         std::vector<double> values, double p50_bar,
                         double max_bar) {
  const double p50 = Percentile(values, 0.5), max = Percentile(values, 1);
  return {{"target", target},
          {"metric", metric},
          {"runs", values.size()},
          {"median", p50},
          {"max", max},
          {"unit", "ms"},
          {"bar", p50_bar},
          {"bar_max", max_bar},
          {"met", !values.empty() && p50 <= p50_bar && max <= max_bar}};
}

json::object CountRow(int target, const char* metric, double value, double of,
                      double bar, bool met) {
  return {{"target", target}, {"metric", metric}, {"median", value},
          {"of", of},         {"bar", bar},       {"met", met}};
}

json::array RowsOf(const Record& record) {
  double connections = 0, survived = 0, faults = 0;
  for (const json::value& result : record.results) {
    faults += Number(result, "faults");
    if (Is(result, "judgement", Name(Judgement::kLost))) continue;
    connections += Number(result, "connections");
    survived += Number(result, "survived");
  }
  const double broken = record.count(Judgement::kBroken);
  return {BlackoutRow(11, "blackout, the primary's processes killed",
                      Pick(record, IsProcessesKilled), 150, 500),
          BlackoutRow(12, "blackout, host silent", Pick(record, IsHostSilent),
                      1000, 1000),
          CountRow(13, "connections that survived", survived, connections,
                   connections, connections > 0 && survived == connections),
          CountRow(14, "runs with a broken promise", broken, record.done(), 0,
                   broken == 0),
          CountRow(22, "injected real faults", faults, faults, 1000,
                   broken == 0 && faults >= 1000)};
}

json::array ToJson(const std::vector<Blackouts>& all) {
  json::array rows;
  for (const Blackouts& row : all) {
    rows.push_back({{"label", row.label},
                    {"runs", row.runs},
                    {"p50_ms", row.p50_ms},
                    {"p99_ms", row.p99_ms},
                    {"max_ms", row.max_ms}});
  }
  return rows;
}

}  // namespace

int Record::count(Judgement judgement) const {
  return static_cast<int>(
      std::ranges::count_if(results, [&](const json::value& result) {
        return Is(result, "judgement", Name(judgement));
      }));
}

void Append(Record& record, const Trial& trial, const Sentence& sentence,
            const RunFigures& figures) {
  record.results.push_back(
      {{"run", trial.number},
       {"label", Label(trial)},
       {"plan", Text(trial)},
       {"faults", trial.faults.size()},
       {"lasts_ms", trial.faults.front().lasts.count()},
       {"judgement", Name(sentence.judgement)},
       {"broken", json::array(sentence.broken.begin(), sentence.broken.end())},
       {"seconds", figures.seconds},
       {"operations", figures.operations},
       {"connections", figures.connections},
       {"survived", figures.survived},
       {"blackout_ms", figures.blackout_ms},
       {"probe_blackout_ms", figures.probe_blackout_ms},
       {"evidence", figures.evidence}});
}

std::vector<Blackouts> BlackoutsOf(const Record& record) {
  // Single faults by name, those while cloning, pairs.
  const auto rank = [](const std::string& label) {
    if (label == "two faults") return 2;
    return label.ends_with(", cloning") ? 1 : 0;
  };
  std::map<std::pair<int, std::string>, std::vector<double>> by_label;
  for (const json::value& result : record.results) {
    if (!Is(result, "judgement", Name(Judgement::kKept))) continue;
    const std::string label(result.at("label").as_string());
    by_label[{rank(label), label}].push_back(BlackoutOf(result));
  }
  std::vector<Blackouts> all;
  for (auto& [key, values] : by_label) {
    all.push_back({.label = key.second,
                   .runs = static_cast<int>(values.size()),
                   .p50_ms = Percentile(values, 0.5),
                   .p99_ms = Percentile(values, 0.99),
                   .max_ms = Percentile(values, 1)});
  }
  return all;
}

std::string Table(const std::vector<Blackouts>& blackouts) {
  std::string text =
      "| fault | runs | p50 | p99 | max |\n|---|---|---|---|---|\n";
  for (const Blackouts& row : blackouts) {
    text += fmt::format("| {} | {} | {:.0f} | {:.0f} | {:.0f} |\n", row.label,
                        row.runs, row.p50_ms, row.p99_ms, row.max_ms);
  }
  return text;
}

json::object ToJson(const Record& record) {
  json::array names;
  for (const FaultKind kind : record.kinds) {
    names.push_back(json::string(FactsOf(kind).name));
  }
  return {{"seed", record.seed},
          {"engine", record.engine},
          {"runs", record.runs},
          {"storage", Name(record.storage)},
          {"kept", record.count(Judgement::kKept)},
          {"lost", record.count(Judgement::kLost)},
          {"broken", record.count(Judgement::kBroken)},
          {"kinds", std::move(names)},
          {"rows", RowsOf(record)},
          {"blackouts", ToJson(BlackoutsOf(record))},
          {"results", record.results}};
}

Result<Record> FromJson(const json::value& value) {
  try {
    Record record = {.seed = value.at("seed").to_number<uint64_t>(),
                     .engine = json::value_to<std::string>(value.at("engine")),
                     .runs = value.at("runs").to_number<int>(),
                     .results = value.at("results").as_array()};
    if (Is(value, "storage", Name(Storage::kDiskService))) {
      record.storage = Storage::kDiskService;
    }
    for (const json::value& name : value.at("kinds").as_array()) {
      const std::string text(name.as_string());
      const auto kind = FaultFromName(text);
      if (!kind) return Status::Invalid("it names an unknown fault, " + text);
      record.kinds.push_back(*kind);
    }
    (void)ToJson(record);  // each result has what is counted
    return record;
  } catch (const std::exception& error) {
    return Status::Invalid(error.what());
  }
}

Status Write(const Record& record, const std::string& path) {
  return WriteStateFile(ToJson(record), path);
}

Result<Record> Read(const std::string& path) {
  const auto state = ReadStateFile(path);
  if (!state.ok()) return state.status();
  auto record = FromJson(*state);
  if (record.ok()) return record;
  return Status::Invalid(path + ": " + record.status().message());
}

}  // namespace ft::chaos
