// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/history_client.h"

#include <algorithm>
#include <boost/json.hpp>

#include "tests/chaos/history_connection.h"
#include "tests/chaos/linearizability.h"
#include "tests/system/reply_times.h"

namespace ft::chaos {
namespace json = boost::json;

HistoryClient::HistoryClient(HistoryClientOptions options)
    : options_(std::move(options)) {}

HistoryClient::~HistoryClient() {
  for (const auto& connection : connections_) connection->EndSegment();
}

bool HistoryClient::Start() {
  for (int i = 0; i < options_.connections; ++i) {
    connections_.push_back(
        std::make_unique<HistoryConnection>(i, options_, answered_));
    if (!connections_.back()->Open()) {
      error_ = connections_.back()->error();
      return false;
    }
  }
  if (!connections_.front()->Clear()) {
    error_ = connections_.front()->error();
    return false;
  }
  BeginSegment();
  return true;
}

int HistoryClient::alive() const {
  return static_cast<int>(std::ranges::count_if(
      connections_, [](const auto& connection) { return connection->open(); }));
}

std::vector<int64_t> HistoryClient::answered_each() const {
  std::vector<int64_t> each;
  for (const auto& connection : connections_) {
    each.push_back(
        connection->open() ? static_cast<int64_t>(connection->answered()) : -1);
  }
  return each;
}

void HistoryClient::BeginSegment() {
  fault_ns_.store(INT64_MAX);
  keys_ = std::make_unique<SegmentKeys>(++segment_, options_.registers,
                                        options_.lists, options_.list_length);
  for (const auto& connection : connections_) {
    connection->BeginSegment(*keys_);
  }
}

SegmentReport HistoryClient::Cut() {
  SegmentReport report = EndSegment();
  if (report.survived > 0) BeginSegment();
  return report;
}

SegmentReport HistoryClient::Finish() { return EndSegment(); }

SegmentReport HistoryClient::EndSegment() {
  SegmentReport report;
  report.segment = segment_;
  report.connections = options_.connections;
  for (const auto& connection : connections_) connection->StopSegment();
  for (const auto& connection : connections_) connection->EndSegment();
  Measure(report);
  ReadBack(report);
  std::vector<Operation> history;
  for (const auto& connection : connections_) {
    if (!connection->error().empty()) {
      report.errors.push_back(connection->error());
    }
    std::ranges::move(connection->TakeOperations(),
                      std::back_inserter(history));
  }
  report.survived = alive();
  Judge(report, history);
  return report;
}

void HistoryClient::ReadBack(SegmentReport& report) {
  for (const auto& connection : connections_) {
    if (!connection->open()) continue;
    report.read_back = connection->ReadAll(*keys_);
    if (report.read_back) return;
  }
}

void HistoryClient::Judge(SegmentReport& report,
                          std::vector<Operation>& history) {
  report.operations = history.size();
  report.unknown = static_cast<uint64_t>(
      std::ranges::count(history, Outcome::kUnknown, &Operation::outcome));
  const CheckResult result = CheckHistory(history);
  report.linearizable = result.ok();
  if (!result.ok()) report.violation = result.Text();
  if (!options_.history_prefix.empty() && (!result.ok() || options_.keep_all)) {
    report.history_file =
        options_.history_prefix + "." + std::to_string(segment_) + ".jsonl";
    WriteHistory(report.history_file, history);
  }
  for (const auto& connection : connections_) {
    // What is left of a segment without an open connection does no harm.
    if (connection->open() && connection->Delete(*keys_)) break;
  }
}

void HistoryClient::Measure(SegmentReport& report) const {
  const int64_t fault = fault_ns_.load();
  uint64_t before = 0;
  int64_t first = INT64_MAX, last = INT64_MIN;
  for (const auto& connection : connections_) {
    std::vector<int64_t> answers;
    for (const Operation& operation : connection->operations()) {
      if (operation.outcome == Outcome::kUnknown) continue;
      answers.push_back(operation.returned_ns);
      first = std::min(first, operation.invoked_ns);
      if (operation.returned_ns >= fault) continue;
      last = std::max(last, operation.returned_ns);
      ++before;
    }
    if (!connection->open()) answers.push_back(bed::MonotonicNs());
    report.longest_gap_before_ms =
        std::max(report.longest_gap_before_ms,
                 bed::LongestGapMs(answers, INT64_MIN, fault));
    if (fault == INT64_MAX) continue;
    report.blackout_ms = std::max(report.blackout_ms,
                                  bed::LongestGapMs(answers, fault, INT64_MAX));
  }
  if (last > first) {
    report.operations_per_s =
        static_cast<double>(before) * 1e9 / static_cast<double>(last - first);
  }
}

namespace {

// One list of fields for both directions.
template <typename Report, typename Visit>
void VisitFields(Report& r, Visit visit) {
  visit("segment", r.segment);
  visit("operations", r.operations);
  visit("unknown", r.unknown);
  visit("connections", r.connections);
  visit("survived", r.survived);
  visit("errors", r.errors);
  visit("linearizable", r.linearizable);
  visit("violation", r.violation);
  visit("read_back", r.read_back);
  visit("history_file", r.history_file);
  visit("blackout_ms", r.blackout_ms);
  visit("longest_gap_before_ms", r.longest_gap_before_ms);
  visit("operations_per_s", r.operations_per_s);
}

}  // namespace

std::string ToJson(const SegmentReport& report) {
  json::object object;
  VisitFields(report, [&](const char* name, const auto& field) {
    object[name] = json::value_from(field);
  });
  return json::serialize(object);
}

SegmentReport SegmentReportFromJson(const std::string& text) {
  SegmentReport report;
  const json::object object = json::parse(text).as_object();
  VisitFields(report, [&](const char* name, auto& field) {
    field = json::value_to<std::remove_reference_t<decltype(field)>>(
        object.at(name));
  });
  return report;
}

}  // namespace ft::chaos
