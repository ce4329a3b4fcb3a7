// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a torture has shown so far, in a file that is complete after every
// run: a torture of hours may be interrupted and resumed.
//
//     {"seed": 1, "engine": "...", "runs": 100, "identical": 3,
//      "workloads": ["tiny", ...], "devices": [...],
//      "results": [{"run": 1, "workload": "tiny", "streamed": true, ...}]}
//
// The same object is what --json asks for, with a row for target 20 in it.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/status.h"
#include "tests/torture/plan.h"
#include "tests/torture/trial.h"

namespace ft::torture {

struct Record {
  uint64_t seed = 0;
  // Of which engine; what one engine has shown says nothing about another.
  std::string engine = {};
  int runs = 0;  // asked for
  std::vector<const Workload*> workloads = {};
  boost::json::array results = {};

  int done() const { return static_cast<int>(results.size()); }
  int identical() const;
};

// What a run's process tells the one that waits for it (worker.h).
boost::json::object ToJson(const Outcome& outcome);
Result<Outcome> OutcomeFromJson(const boost::json::value& value);

void Append(Record& record, const Trial& trial, const Outcome& outcome);

boost::json::object ToJson(const Record& record);
// kInvalid when it is none of ours.
Result<Record> FromJson(const boost::json::value& value);

// Replaces the file as a whole, so that no reader sees half of one.
Status Write(const Record& record, const std::string& path);
// kInvalid when there is none that can be read.
Result<Record> Read(const std::string& path);

}  // namespace ft::torture
