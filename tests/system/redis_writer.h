// SPDX-License-Identifier: GPL-2.0-or-later
//
// The client that no failover may disappoint. It writes into Redis over ONE
// connection that it opens once and never again, remembers everything that
// was acknowledged, and at the end reads all of it back over that same
// connection.
//
// A write n is two commands in one request: SET key:n value(n), a value that
// can be computed again from n alone, and INCR writes. It is acknowledged
// when both replies have come, and INCR's must be exactly n + 1: a write
// that was lost answers too little, one executed twice too much.
//
// Beside it there may be the probe (ping_probe.h), which asks every 5 ms
// whatever was answered: its blackout is the guest's absence, the writer's is
// what a client of one TCP connection notices. And connections that say
// nothing until the end: they must not notice anything at all.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/system/ping_probe.h"

struct redisContext;

namespace ft::bed {

struct WriterOptions {
  std::string host = "10.77.0.50";
  int port = 6379;
  // Writes in flight at once. 1: each waits for the one before.
  int depth = 1;
  int value_bytes = 64;
  // The probe, and its pace.
  bool probe = false;
  std::chrono::milliseconds probe_interval{5};
  // Connections that are opened at the start and used once, at the end.
  int idle_connections = 0;
  // No reply for this long: the connection counts as dead.
  std::chrono::milliseconds reply_deadline{30000};
};

// What the client saw. Times are CLOCK_MONOTONIC.
struct WriterReport {
  uint64_t acknowledged_writes = 0;
  uint64_t lost_writes = 0;   // acknowledged, and not there in the end
  uint64_t wrong_values = 0;  // there, but not what was written; or INCR off
  bool connection_survived = false;
  bool read_back = false;  // the end was reached and everything was compared
  std::string error;       // why the connection died, if it did
  // All connections, the writer's among them, and those that still work.
  int connections = 0;
  int connections_survived = 0;
  // The longest time between two consecutive replies, the second of which
  // came after the fault was marked; seen by the writer (a closed loop: a
  // request lost with its host costs TCP's 200 ms) and by the probe.
  double blackout_writer_ms = 0;
  double blackout_probe_ms = 0;
  uint64_t probes_sent = 0;
  uint64_t probes_lost = 0;
  uint64_t probes_doubled = 0;
  // What the probe itself may have added (ping_probe.h).
  double probe_pause_ms = 0;
  // The longest such time before the fault (the clone's pause is in it).
  double longest_gap_before_ms = 0;
  double latency_p50_us = 0;  // of a write, before the fault
  double latency_p99_us = 0;
  double latency_after_p50_us = 0;
  double latency_after_p99_us = 0;
  double writes_per_s = 0;  // before the fault
};

std::string ToJson(const WriterReport& report);
WriterReport ReportFromJson(const std::string& json);

// The value of write n.
std::string ValueOf(uint64_t n, int bytes);

// Used by one thread; the writer and the probe have their own.
class RedisWriter {
 public:
  explicit RedisWriter(WriterOptions options);
  ~RedisWriter();
  RedisWriter(const RedisWriter&) = delete;
  RedisWriter& operator=(const RedisWriter&) = delete;

  // Opens every connection, and starts to write into the empty database.
  // False: error() says why.
  bool Start();
  const std::string& error() const { return error_; }
  // Acknowledged so far; only grows.
  uint64_t acknowledged() const { return acknowledged_.load(); }
  bool connection_alive() const { return !dead_.load(); }
  // The fault was injected at this time (nanoseconds, CLOCK_MONOTONIC).
  void MarkFault(int64_t monotonic_ns) { fault_ns_.store(monotonic_ns); }
  // Ends the writing, reads everything back, compares.
  WriterReport Finish();
  // Instead of all that, for a server that was started again: connects and
  // reads back what an earlier writer was acknowledged.
  WriterReport ReadAgain(uint64_t writes);

 private:
  struct Sample {
    int64_t sent_ns;
    int64_t acknowledged_ns;
  };

  void WriterMain();
  bool OpenIdle();
  bool AppendWrite(uint64_t n);
  bool CollectWrite(uint64_t n);
  void Die(const std::string& why);
  void ReadBack(WriterReport& report);
  void CountConnections(WriterReport& report);
  void Measure(WriterReport& report) const;
  void MeasureProbe(WriterReport& report);

  const WriterOptions options_;
  redisContext* connection_ = nullptr;
  std::vector<redisContext*> idle_;
  std::string error_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> dead_{false};
  std::atomic<uint64_t> acknowledged_{0};
  std::atomic<int64_t> fault_ns_{INT64_MAX};
  // Written by the writer's thread, read after it was joined.
  std::vector<Sample> samples_;
  std::vector<int64_t> sent_ns_;
  uint64_t wrong_counts_ = 0;
  std::jthread writer_;
  PingProbe probe_;
};

}  // namespace ft::bed
