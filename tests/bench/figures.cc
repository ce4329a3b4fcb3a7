// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>

#include "logchannel/check.h"

namespace ft::bench {
namespace {

// Three digits that mean something; small ones keep more places.
std::string Shown(double number) {
  const double size = number < 0 ? -number : number;
  if (size >= 100) return fmt::format("{:.0f}", number);
  if (size >= 10) return fmt::format("{:.1f}", number);
  if (size >= 0.1 || size == 0) return fmt::format("{:.3f}", number);
  return fmt::format("{:.5f}", number);
}

std::string BarOf(const Figure& figure, double number) {
  if (figure.better == Better::kUnstated) return "-";
  return (figure.better == Better::kHigher ? ">= " : "<= ") + Shown(number);
}

void PrintRow(const Figure& figure, std::FILE* out) {
  const Summary summary = Summarize(figure.samples);
  const bool stated = figure.better != Better::kUnstated;
  fmt::print(out, "  {:>2}  {:<38} {:>9} {:>19}  {:<8} {:>10} {:>10}  {}\n",
             figure.target ? std::to_string(figure.target) : "", figure.metric,
             Shown(summary.median),
             "(" + Shown(summary.min) + " to " + Shown(summary.max) + ")",
             figure.unit, BarOf(figure, figure.bar), BarOf(figure, figure.goal),
             !stated        ? ""
             : figure.Met() ? "met"
                            : "NOT MET");
}

}  // namespace

Summary Summarize(std::vector<double> samples) {
  FT_CHECK(!samples.empty()) << "nothing was measured";
  std::sort(samples.begin(), samples.end());
  return {.median = samples[(samples.size() - 1) / 2],
          .min = samples.front(),
          .max = samples.back()};
}

bool Figure::Met() const {
  const double median = Summarize(samples).median;
  switch (better) {
    case Better::kHigher:
      return median >= bar;
    case Better::kLower:
      return median <= bar;
    case Better::kUnstated:
      break;
  }
  return false;
}

boost::json::array ToJson(const std::vector<Figure>& figures) {
  boost::json::array rows;
  for (const Figure& figure : figures) {
    const Summary summary = Summarize(figure.samples);
    boost::json::object row = {{"target", figure.target},
                               {"metric", figure.metric},
                               {"median", summary.median},
                               {"min", summary.min},
                               {"max", summary.max},
                               {"unit", figure.unit},
                               {"bar", nullptr},
                               {"goal", nullptr},
                               {"met", nullptr}};
    if (figure.better != Better::kUnstated) {
      row["bar"] = figure.bar;
      row["goal"] = figure.goal;
      row["met"] = figure.Met();
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void PrintTable(const std::vector<Figure>& figures, std::FILE* out) {
  std::vector<Figure> ordered = figures;
  const auto rank = [](const Figure& figure) {
    return figure.target ? figure.target : 1000;
  };
  std::stable_sort(
      ordered.begin(), ordered.end(),
      [&](const Figure& a, const Figure& b) { return rank(a) < rank(b); });
  fmt::print(out, "  {:>2}  {:<38} {:>9} {:>19}  {:<8} {:>10} {:>10}\n", "#",
             "", "median", "(min to max)", "", "bar", "goal");
  for (const Figure& figure : ordered) PrintRow(figure, out);
}

}  // namespace ft::bench
