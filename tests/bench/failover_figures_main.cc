// SPDX-License-Identifier: GPL-2.0-or-later
//
// failover_figures [--json FILE] REPORT...: what bench failover ends with.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/bench/failover_figures.h"

namespace ft::bench {
namespace {

boost::json::object ReadReport(const std::string& path) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  try {
    return boost::json::parse(text).as_object();
  } catch (const std::exception& error) {
    throw std::runtime_error(path + " is no report: " + error.what());
  }
}

// A row a line, so that two files can be compared.
void WriteRows(const std::vector<Figure>& figures, const std::string& path) {
  std::ofstream file(path);
  const char* separator = "[\n";
  for (const boost::json::value& row : ToJson(figures)) {
    file << separator << "  " << boost::json::serialize(row);
    separator = ",\n";
  }
  file << "\n]\n";
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

int Main(int argc, char** argv) {
  CLI::App app("Figures over the reports of many failovers");
  std::vector<std::string> paths;
  std::string json_path;
  app.add_option("--json", json_path, "write the rows to this file");
  app.add_option("report", paths, "what lockstep_demo --json wrote")
      ->required();
  CLI11_PARSE(app, argc, argv);
  std::vector<boost::json::object> reports;
  for (const std::string& path : paths) reports.push_back(ReadReport(path));
  const std::vector<Figure> figures = FailoverFigures(reports);
  PrintTable(figures, stdout);
  if (!json_path.empty()) WriteRows(figures, json_path);
  return 0;
}

}  // namespace
}  // namespace ft::bench

int main(int argc, char** argv) {
  try {
    return ft::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "failover_figures: %s\n", error.what());
    return 1;
  }
}
