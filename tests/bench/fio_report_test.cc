// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/fio_report.h"

#include <gtest/gtest.h>

namespace ft::bench {
namespace {

// As on a serial console, with fio's note in front.
std::string Console(const std::string& name, const std::string& report) {
  return "FT-GUEST-BEGIN " + name + "\r\nFT-GUEST-END " + name +
         "\r\nnote: both iodepth >= 1\r\n" + report + "\r\nFT-GUEST-REPORTED " +
         name + "\r\n";
}

std::string Job(int read_bytes, int written_bytes) {
  const auto way = [](int bytes) {
    return "{\r\n \"io_bytes\" : " + std::to_string(bytes) +
           ", \"bw_bytes\" : " + std::to_string(bytes / 2) +
           ", \"iops\" : 12.5, \"clat_ns\" : { \"N\" : 3, \"percentile\" : "
           "{ \"50.000000\" : 1500, \"99.000000\" : 250000 } } }";
  };
  return "{ \"fio version\" : \"fio-3.33\", \"jobs\" : [ { \"read\" : " +
         way(read_bytes) + ", \"write\" : " + way(written_bytes) + " } ] }";
}

TEST(FioReport, IsFoundAmongOthers) {
  const std::string console =
      Console("seq-read", Job(8 << 20, 0)) + Console("seq-write", Job(0, 4096));
  const auto read = FindFioReport(console, "seq-read");
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->bytes, 8u << 20);
  EXPECT_EQ(read->mib_per_second, 4);
  EXPECT_EQ(read->p50_us, 1.5);
  EXPECT_EQ(read->p99_us, 250);
  const auto written = FindFioReport(console, "seq-write");
  ASSERT_TRUE(written.ok()) << written.status().ToString();
  EXPECT_EQ(written->bytes, 4096u);
}

TEST(FioReport, WhatIsNotOneIsRefusedByName) {
  for (const std::string& console :
       {std::string(), Console("rand-read", ""), Console("rand-read", "{}"),
        Console("rand-read", "{ \"jobs\" : [ 1"),
        Console("rand-read", "{ \"jobs\" : [ { \"read\" : 7 } ] }")}) {
    const auto report = FindFioReport(console, "rand-read");
    ASSERT_FALSE(report.ok()) << console;
    EXPECT_NE(report.status().message().find("rand-read"), std::string::npos);
  }
}

}  // namespace
}  // namespace ft::bench
