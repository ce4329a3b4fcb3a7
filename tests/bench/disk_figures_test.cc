// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/disk_figures.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ft::bench {
namespace {

// Every access moves four MiB at this speed.
DiskRun RunAt(double mib_per_second, uint64_t log_bytes) {
  const MeasuredAccess access = {.fio = {.bytes = 4u << 20,
                                         .mib_per_second = mib_per_second,
                                         .p50_us = 100,
                                         .p99_us = 900},
                                 .log_bytes = log_bytes};
  return DiskRun(AllDiskAccesses().size(), access);
}

Figure Find(const std::vector<Figure>& figures, const std::string& metric) {
  const auto it = std::ranges::find(figures, metric, &Figure::metric);
  return it == figures.end() ? Figure{.metric = "missing"} : *it;
}

TEST(DiskFigures, SmallRandomRequestsHaveABar) {
  const DiskPair good = {.plain = RunAt(100, 0), .ft = RunAt(90, 4u << 20)};
  const DiskPair bad = {.plain = RunAt(100, 0), .ft = RunAt(70, 4u << 20)};
  const auto figures =
      DiskFigures({{FindDiskMode("shared"), {good, bad, bad}}});
  const Figure random =
      Find(figures, "rand-write, shared: speed with FT / plain");
  EXPECT_EQ(random.samples, (std::vector<double>{0.9, 0.7, 0.7}));
  EXPECT_FALSE(random.Met());
  EXPECT_EQ(Find(figures, "seq-read, shared: speed with FT / plain").better,
            Better::kUnstated);
  EXPECT_EQ(Find(figures, "seq-read, shared: log per MiB").samples[0], 1024);
  EXPECT_EQ(Find(figures, "log of reads: by the backup / in the log").metric,
            "missing");
}

TEST(DiskFigures, LogOfReadsIsComparedPairByPair) {
  const DiskPair in_log = {.plain = RunAt(100, 0), .ft = RunAt(100, 4u << 20)};
  const DiskPair by_backup = {.plain = RunAt(100, 0),
                              .ft = RunAt(100, 1u << 20)};
  const auto figures =
      DiskFigures({{FindDiskMode("shared"), {in_log}},
                   {FindDiskMode("shared-reads-backup"), {by_backup}}});
  const Figure reads =
      Find(figures, "log of reads: by the backup / in the log");
  EXPECT_EQ(reads.samples, std::vector<double>{0.25});
  EXPECT_TRUE(reads.Met());
}

}  // namespace
}  // namespace ft::bench
