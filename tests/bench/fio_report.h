// SPDX-License-Identifier: GPL-2.0-or-later
//
// What fio in the guest says of one kind of access, as the workload
// disk-speed puts it on the console (tests/guest/workloads/disk-speed):
//
//     FT-GUEST-BEGIN seq-read
//     FT-GUEST-END seq-read
//     { "jobs" : [ { "read" : { "io_bytes" : ..., "clat_ns" : ...
//     FT-GUEST-REPORTED seq-read
//
// Pure.
#pragma once

#include <cstdint>
#include <string>

#include "logchannel/status.h"

namespace ft::bench {

struct FioReport {
  uint64_t bytes = 0;  // read or written
  double mib_per_second = 0;
  // From a request's submission to its completion.
  double p50_us = 0;
  double p99_us = 0;
};

// What is on `console` of the access `name`. kFailed: it is not there, or
// not what fio writes.
Result<FioReport> FindFioReport(const std::string& console,
                                const std::string& name);

}  // namespace ft::bench
