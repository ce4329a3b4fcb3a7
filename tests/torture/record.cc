// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/record.h"

#include <boost/json/value_to.hpp>
#include <set>

#include "tests/state_file.h"

namespace ft::torture {

namespace json = boost::json;

namespace {

// Target 20 of the project's list: nothing less than all.
json::object RowOf(const Record& record) {
  return {{"target", 20},
          {"metric", "torture: identical runs"},
          {"median", record.identical()},
          {"min", record.identical()},
          {"max", record.identical()},
          {"unit", "of " + std::to_string(record.done())},
          {"bar", 100},
          {"goal", 1000},
          {"met", record.identical() == record.done() && record.done() >= 100}};
}

json::array DevicesOf(const Record& record) {
  std::set<std::string> devices = {"CPU", "serial port", "timers"};
  for (const Workload* workload : record.workloads) {
    if (*workload->devices != '\0') devices.insert(workload->devices);
  }
  return json::array(devices.begin(), devices.end());
}

}  // namespace

int Record::identical() const {
  int count = 0;
  for (const json::value& result : results) {
    if (result.at("identical").as_bool()) ++count;
  }
  return count;
}

json::object ToJson(const Outcome& outcome) {
  return {{"compared", outcome.compared},
          {"identical", outcome.identical},
          {"void", outcome.is_void},
          {"seconds", outcome.seconds},
          {"work_seconds", outcome.work_seconds},
          {"rest_seconds", outcome.rest_seconds},
          {"instructions", outcome.instructions},
          {"log_bytes", outcome.log_bytes},
          {"failure", outcome.failure},
          {"evidence", outcome.evidence},
          {"finding", outcome.finding}};
}

Result<Outcome> OutcomeFromJson(const json::value& value) {
  const auto text = [&](const char* key) {
    return json::value_to<std::string>(value.at(key));
  };
  try {
    return Outcome{
        .identical = value.at("identical").as_bool(),
        .is_void = value.at("void").as_bool(),
        .failure = text("failure"),
        .evidence = text("evidence"),
        .finding = text("finding"),
        .seconds = value.at("seconds").to_number<double>(),
        .work_seconds = value.at("work_seconds").to_number<double>(),
        .rest_seconds = value.at("rest_seconds").to_number<double>(),
        .compared = value.at("compared").to_number<int>(),
        .instructions = value.at("instructions").to_number<uint64_t>(),
        .log_bytes = value.at("log_bytes").to_number<uint64_t>()};
  } catch (const std::exception& error) {
    return Status::Invalid(error.what());
  }
}

void Append(Record& record, const Trial& trial, const Outcome& outcome) {
  json::object row = {{"run", trial.number},
                      {"workload", trial.workload->name},
                      {"streamed", trial.streamed},
                      {"contention", trial.contention},
                      {"dense", trial.dense},
                      {"clone_after_ms", trial.clone_after.count()}};
  for (auto& [key, value] : ToJson(outcome)) row[key] = value;
  record.results.push_back(std::move(row));
}

json::object ToJson(const Record& record) {
  json::array names;
  for (const Workload* workload : record.workloads) {
    names.push_back(json::string(workload->name));
  }
  return {{"seed", record.seed},
          {"engine", record.engine},
          {"runs", record.runs},
          {"identical", record.identical()},
          {"rows", json::array{RowOf(record)}},
          {"workloads", std::move(names)},
          {"devices", DevicesOf(record)},
          {"results", record.results}};
}

Result<Record> FromJson(const json::value& value) {
  try {
    Record record = {.seed = value.at("seed").to_number<uint64_t>(),
                     .engine = json::value_to<std::string>(value.at("engine")),
                     .runs = value.at("runs").to_number<int>(),
                     .results = value.at("results").as_array()};
    for (const json::value& name : value.at("workloads").as_array()) {
      const std::string text(name.as_string());
      record.workloads.push_back(FindWorkload(text));
      if (record.workloads.back() == nullptr) {
        return Status::Invalid("it names an unknown workload, " + text);
      }
    }
    (void)record.identical();  // each result has what is counted
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

}  // namespace ft::torture
