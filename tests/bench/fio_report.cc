// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/fio_report.h"

#include <boost/json.hpp>

namespace ft::bench {
namespace {

namespace json = boost::json;

constexpr double kMebibyte = 1 << 20;

// fio writes notes before the report.
std::string ReportText(const std::string& console, const std::string& name) {
  const size_t end = console.find("FT-GUEST-END " + name);
  if (end == std::string::npos) return "";
  const size_t begin = console.find('{', end);
  const size_t behind = console.find("FT-GUEST-REPORTED " + name, end);
  if (behind == std::string::npos || begin > behind) return "";
  return console.substr(begin, behind - begin);
}

double Microseconds(const json::value& percentiles, const char* which) {
  return percentiles.at(which).to_number<double>() / 1e3;
}

// Throws where something is missing.
FioReport Parse(const std::string& text) {
  const json::value report = json::parse(text);
  const json::value& job = report.at("jobs").at(0);
  const bool reads = job.at("read").at("io_bytes").to_number<uint64_t>() > 0;
  const json::value& way = job.at(reads ? "read" : "write");
  const json::value& latency = way.at("clat_ns").at("percentile");
  return {.bytes = way.at("io_bytes").to_number<uint64_t>(),
          .mib_per_second = way.at("bw_bytes").to_number<double>() / kMebibyte,
          .p50_us = Microseconds(latency, "50.000000"),
          .p99_us = Microseconds(latency, "99.000000")};
}

}  // namespace

Result<FioReport> FindFioReport(const std::string& console,
                                const std::string& name) {
  const std::string text = ReportText(console, name);
  if (text.empty()) return Status::Failed("the guest has no report of " + name);
  try {
    return Parse(text);
  } catch (const std::exception& error) {
    return Status::Failed("fio's report of " + name + ": " + error.what());
  }
}

}  // namespace ft::bench
