// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the chaos ring has shown so far, in a file that is complete after
// every run: hours of it may be interrupted and resumed.
//
//     {"seed": 1, "engine": "...", "runs": 200, "kept": 190, "lost": 9,
//      "broken": 1, "storage": "directory", "kinds": ["engine-killed", ...],
//      "rows": [...], "blackouts": [...],
//      "results": [{"run": 1, "label": "ftd-killed primary",
//                   "plan": "protected: ...", "judgement": "kept", ...}]}
//
// The same object is what --json asks for. `rows` has a row for each target
// of the project's list that it measures, `blackouts` one for each label.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "logchannel/status.h"
#include "tests/chaos/judgement.h"

namespace ft::chaos {

// What is remembered of one run beside its sentence.
struct RunFigures {
  double seconds = 0;
  uint64_t operations = 0;  // answered requests that were judged
  int connections = 0;
  int survived = 0;
  // The longest time without an answer after the first fault: of a
  // connection that sends when it was answered, and of the 5 ms probe.
  double blackout_ms = 0;
  double probe_blackout_ms = 0;
  std::string evidence = {};  // a directory, if the run was broken
};

struct Record {
  uint64_t seed = 0;
  // Of which engine; what one engine has shown says nothing about another.
  std::string engine = {};
  int runs = 0;  // asked for
  Storage storage = Storage::kDirectory;
  std::vector<FaultKind> kinds = {};
  boost::json::array results = {};

  int done() const { return static_cast<int>(results.size()); }
  int count(Judgement judgement) const;
};

void Append(Record& record, const Trial& trial, const Sentence& sentence,
            const RunFigures& figures);

// Blackouts of the runs of one label that were kept, in milliseconds, as the
// probe saw them.
struct Blackouts {
  std::string label;
  int runs = 0;
  double p50_ms = 0, p99_ms = 0, max_ms = 0;
};
// By label; pairs of faults come last.
std::vector<Blackouts> BlackoutsOf(const Record& record);
// As a table of Markdown.
std::string Table(const std::vector<Blackouts>& blackouts);

boost::json::object ToJson(const Record& record);
// kInvalid when it is none of ours.
Result<Record> FromJson(const boost::json::value& value);

// Replaces the file as a whole, so that no reader sees half of one.
Status Write(const Record& record, const std::string& path);
// kInvalid when there is none that can be read.
Result<Record> Read(const std::string& path);

}  // namespace ft::chaos
