// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a benchmark ends with: rows, each one figure over several runs beside
// the bar that it has to clear and the goal that it is on its way to. Pure,
// but for the two functions that write.
#pragma once

#include <boost/json/array.hpp>
#include <cstdio>
#include <string>
#include <vector>

namespace ft::bench {

// Median (of an even number: the lower of the two in the middle), min, max.
struct Summary {
  double median = 0;
  double min = 0;
  double max = 0;
};
// `samples` has at least one.
Summary Summarize(std::vector<double> samples);

enum class Better {
  kHigher,
  kLower,
  kUnstated,  // a figure without a bar: nobody has said what is enough
};

struct Figure {
  // Of the project's list of targets; 0: none of them.
  int target = 0;
  std::string metric = {};
  std::string unit = {};
  Better better = Better::kUnstated;
  // Meaningless when kUnstated.
  double bar = 0;
  double goal = 0;
  std::vector<double> samples = {};

  // The median clears the bar. False when kUnstated.
  bool Met() const;
};

// {"target", "metric", "median", "min", "max", "unit", "bar", "goal", "met"};
// the last three are null in a row without a bar.
boost::json::array ToJson(const std::vector<Figure>& figures);

// For people: those with a bar first, by target.
void PrintTable(const std::vector<Figure>& figures, std::FILE* out);

}  // namespace ft::bench
