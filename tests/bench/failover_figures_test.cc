// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/failover_figures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>

namespace ft::bench {
namespace {

boost::json::object Report(const char* fault, double probe_ms,
                           double writer_ms = 200) {
  return {{"fault", fault},           {"blackout_probe_ms", probe_ms},
          {"connections", 5},         {"connections_survived", 5},
          {"lost_writes", 0},         {"wrong_values", 0},
          {"test_and_set_ms", 0.75},  {"blackout_writer_ms", writer_ms},
          {"detect_ms", 1.5},         {"drain_ms", 104},
          {"acknowledged_writes", 10}};
}

Figure Find(const std::vector<Figure>& figures, const std::string& metric) {
  const auto it = std::ranges::find_if(figures, [&](const Figure& figure) {
    return figure.metric.find(metric) != std::string::npos;
  });
  return it == figures.end() ? Figure{.metric = "missing"} : *it;
}

TEST(FailoverFigures, Killed_HaveTheirMedianAndTheirMaximum) {
  const auto figures = FailoverFigures(
      {Report("host", 100), Report("host", 120), Report("host", 600)});
  const Figure median = Find(figures, "blackout, 5 ms probe, host");
  EXPECT_EQ(median.target, 11);
  EXPECT_TRUE(median.Met());
  const Figure longest = Find(figures, "longest of 3, host");
  EXPECT_EQ(longest.target, 11);
  EXPECT_EQ(longest.samples, std::vector<double>{600});
  EXPECT_FALSE(longest.Met());
}

// A planned failover has no target, and is not mixed into those that have.
TEST(FailoverFigures, Faults_AreKeptApart) {
  const auto figures = FailoverFigures(
      {Report("link", 620, 800), Report("planned", 30), Report("qemu", 40)});
  EXPECT_EQ(Find(figures, "5 ms probe, link").target, 12);
  EXPECT_EQ(Find(figures, "5 ms probe, link").samples,
            std::vector<double>{620});
  EXPECT_EQ(Find(figures, "5 ms probe, planned").metric, "missing");
  EXPECT_EQ(Find(figures, "TCP writer, link").samples,
            std::vector<double>{800});
  EXPECT_EQ(Find(figures, "test-and-set").samples.size(), 3u);
}

TEST(FailoverFigures, OneLostWriteOrConnection_IsNotHiddenByAMedian) {
  std::vector<boost::json::object> reports(9, Report("host", 100));
  reports.push_back(Report("host", 100));
  reports.back()["lost_writes"] = 1;
  reports.back()["connections_survived"] = 4;
  const auto figures = FailoverFigures(reports);
  EXPECT_FALSE(Find(figures, "lost or wrong").Met());
  EXPECT_FALSE(Find(figures, "that survived").Met());
  EXPECT_EQ(Find(figures, "lost or wrong").target, 14);
  EXPECT_EQ(Find(figures, "that survived").target, 13);
}

TEST(FailoverFigures, ReportWithoutAField_IsRefused) {
  boost::json::object report = Report("host", 100);
  report.erase("lost_writes");
  EXPECT_ANY_THROW(FailoverFigures({report}));
  EXPECT_TRUE(FailoverFigures({}).empty());
}

}  // namespace
}  // namespace ft::bench
