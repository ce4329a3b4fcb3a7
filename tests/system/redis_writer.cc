// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/system/redis_writer.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "tests/system/reply_times.h"

namespace ft::bed {
namespace json = boost::json;

namespace {

struct ReplyDeleter {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

timeval ToTimeval(std::chrono::milliseconds time) {
  return {time.count() / 1000, (time.count() % 1000) * 1000};
}

// The next reply of a connection; null: the connection is dead.
Reply NextReply(redisContext* connection) {
  void* reply = nullptr;
  if (redisGetReply(connection, &reply) != REDIS_OK) return nullptr;
  return Reply(static_cast<redisReply*>(reply));
}

redisContext* Connect(const WriterOptions& options, std::string& error) {
  redisContext* connection = redisConnectWithTimeout(
      options.host.c_str(), options.port, ToTimeval(options.reply_deadline));
  if (connection && !connection->err) {
    redisSetTimeout(connection, ToTimeval(options.reply_deadline));
    return connection;
  }
  error = options.host + ": " +
          (connection ? connection->errstr : "no memory for a connection");
  if (connection) redisFree(connection);
  return nullptr;
}

uint64_t Mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

std::string ValueOf(uint64_t n, int bytes) {
  std::string value = std::to_string(n) + ":";
  uint64_t word = Mixed(n);
  while (static_cast<int>(value.size()) < bytes) {
    value += "0123456789abcdef"[word & 15];
    word = (word >> 4) ? word >> 4 : Mixed(word + value.size() + n);
  }
  return value;
}

RedisWriter::RedisWriter(WriterOptions options)
    : options_(std::move(options)) {}

RedisWriter::~RedisWriter() {
  stop_ = true;
  if (writer_.joinable()) writer_.join();
  if (connection_) redisFree(connection_);
  for (redisContext* idle : idle_) redisFree(idle);
}

bool RedisWriter::Start() {
  connection_ = Connect(options_, error_);
  if (!connection_) return false;
  Reply size(static_cast<redisReply*>(redisCommand(connection_, "DBSIZE")));
  if (!size || size->type != REDIS_REPLY_INTEGER || size->integer != 0) {
    error_ = options_.host + ": the database is not empty, or not Redis";
    return false;
  }
  if (!OpenIdle()) return false;
  if (options_.probe && !probe_.Start(options_.host, options_.probe_interval)) {
    error_ = probe_.error();
    return false;
  }
  samples_.reserve(1 << 20);
  writer_ = std::jthread([this] { WriterMain(); });
  return true;
}

bool RedisWriter::OpenIdle() {
  for (int i = 0; i < options_.idle_connections; ++i) {
    redisContext* idle = Connect(options_, error_);
    if (!idle) return false;
    idle_.push_back(idle);
  }
  return true;
}

void RedisWriter::WriterMain() {
  uint64_t sent = 0;
  uint64_t collected = 0;
  while (true) {
    const bool more = !stop_.load();
    while (more && sent - collected < static_cast<uint64_t>(options_.depth)) {
      if (!AppendWrite(sent++)) return;
    }
    if (collected == sent) return;
    if (!CollectWrite(collected++)) return;
  }
}

bool RedisWriter::AppendWrite(uint64_t n) {
  const std::string key = "key:" + std::to_string(n);
  const std::string value = ValueOf(n, options_.value_bytes);
  sent_ns_.push_back(MonotonicNs());
  if (redisAppendCommand(connection_, "SET %s %s", key.c_str(),
                         value.c_str()) != REDIS_OK ||
      redisAppendCommand(connection_, "INCR writes") != REDIS_OK) {
    Die("no memory for a request");
    return false;
  }
  return true;
}

bool RedisWriter::CollectWrite(uint64_t n) {
  const Reply set = NextReply(connection_);
  const Reply count = set ? NextReply(connection_) : nullptr;
  if (!count) {
    Die(connection_->errstr);
    return false;
  }
  if (set->type != REDIS_REPLY_STATUS || count->type != REDIS_REPLY_INTEGER) {
    Die("write " + std::to_string(n) + " was refused: " +
        (set->type == REDIS_REPLY_ERROR ? set->str : "unexpected reply"));
    return false;
  }
  if (count->integer != static_cast<long long>(n) + 1) ++wrong_counts_;
  samples_.push_back({sent_ns_[n], MonotonicNs()});
  acknowledged_.store(n + 1);
  return true;
}

void RedisWriter::Die(const std::string& why) {
  error_ = why;
  dead_.store(true);
}

WriterReport RedisWriter::Finish() {
  WriterReport report;
  if (options_.probe) MeasureProbe(report);
  stop_.store(true);
  if (writer_.joinable()) writer_.join();
  report.acknowledged_writes = acknowledged_.load();
  report.wrong_values = wrong_counts_;
  if (!dead_) ReadBack(report);
  report.connection_survived = !dead_;
  report.error = error_;
  CountConnections(report);
  Measure(report);
  return report;
}

WriterReport RedisWriter::ReadAgain(uint64_t writes) {
  WriterReport report;
  report.acknowledged_writes = writes;
  connection_ = Connect(options_, error_);
  if (connection_) ReadBack(report);
  report.error = error_;
  return report;
}

void RedisWriter::ReadBack(WriterReport& report) {
  constexpr uint64_t kBatch = 200;
  const uint64_t total = report.acknowledged_writes;
  for (uint64_t first = 0; first < total; first += kBatch) {
    const uint64_t end = std::min(first + kBatch, total);
    for (uint64_t n = first; n < end; ++n) {
      const std::string key = "key:" + std::to_string(n);
      redisAppendCommand(connection_, "GET %s", key.c_str());
    }
    for (uint64_t n = first; n < end; ++n) {
      const Reply reply = NextReply(connection_);
      if (!reply) return Die(connection_->errstr);
      if (reply->type == REDIS_REPLY_NIL) {
        ++report.lost_writes;
      } else if (reply->type != REDIS_REPLY_STRING ||
                 ValueOf(n, options_.value_bytes) !=
                     std::string_view(reply->str, reply->len)) {
        ++report.wrong_values;
      }
    }
  }
  redisAppendCommand(connection_, "GET writes");
  const Reply count = NextReply(connection_);
  if (!count) return Die(connection_->errstr);
  const bool exact = total == 0 || (count->type == REDIS_REPLY_STRING &&
                                    std::string_view(count->str, count->len) ==
                                        std::to_string(total));
  if (!exact) ++report.wrong_values;
  report.read_back = true;
}

void RedisWriter::CountConnections(WriterReport& report) {
  report.connections = 1 + static_cast<int>(idle_.size());
  report.connections_survived = report.connection_survived ? 1 : 0;
  for (redisContext* idle : idle_) {
    const Reply reply(static_cast<redisReply*>(redisCommand(idle, "PING")));
    if (reply && reply->type == REDIS_REPLY_STATUS) {
      ++report.connections_survived;
    }
  }
}

void RedisWriter::MeasureProbe(WriterReport& report) {
  const int64_t fault = fault_ns_.load();
  const int64_t ended = MonotonicNs();
  PingFigures pings = probe_.Finish();
  report.probes_sent = pings.sent;
  report.probes_lost = pings.lost;
  report.probes_doubled = pings.doubled;
  report.probe_pause_ms = pings.longest_pause_ms;
  if (fault == INT64_MAX) return;
  // A guest that did not answer any more: its blackout lasts until now.
  std::vector<int64_t>& replies = pings.replies_ns;
  if (replies.empty()) replies.push_back(fault);
  if (replies.back() < ended) replies.push_back(ended);
  report.blackout_probe_ms = LongestGapMs(replies, fault, INT64_MAX);
}

void RedisWriter::Measure(WriterReport& report) const {
  const int64_t fault = fault_ns_.load();
  std::vector<int64_t> replies;
  std::vector<double> before, after;
  for (const Sample& sample : samples_) {
    replies.push_back(sample.acknowledged_ns);
    (sample.acknowledged_ns < fault ? before : after)
        .push_back(
            static_cast<double>(sample.acknowledged_ns - sample.sent_ns) / 1e3);
  }
  // A connection that never answered again: its blackout lasts until now.
  if (dead_ && fault != INT64_MAX) replies.push_back(MonotonicNs());
  report.blackout_writer_ms = LongestGapMs(replies, fault, INT64_MAX);
  report.longest_gap_before_ms = LongestGapMs(replies, INT64_MIN, fault);
  if (!before.empty()) {
    const double seconds =
        static_cast<double>(replies[before.size() - 1] - sent_ns_.front()) /
        1e9;
    report.writes_per_s = static_cast<double>(before.size()) / seconds;
  }
  report.latency_p50_us = Percentile(before, 0.50);
  report.latency_p99_us = Percentile(before, 0.99);
  report.latency_after_p50_us = Percentile(after, 0.50);
  report.latency_after_p99_us = Percentile(after, 0.99);
}

namespace {

// One list of fields for both directions.
template <typename Report, typename Visit>
void VisitFields(Report& r, Visit visit) {
  visit("acknowledged_writes", r.acknowledged_writes);
  visit("lost_writes", r.lost_writes);
  visit("wrong_values", r.wrong_values);
  visit("connection_survived", r.connection_survived);
  visit("read_back", r.read_back);
  visit("error", r.error);
  visit("connections", r.connections);
  visit("connections_survived", r.connections_survived);
  visit("blackout_writer_ms", r.blackout_writer_ms);
  visit("blackout_probe_ms", r.blackout_probe_ms);
  visit("probes_sent", r.probes_sent);
  visit("probes_lost", r.probes_lost);
  visit("probes_doubled", r.probes_doubled);
  visit("probe_pause_ms", r.probe_pause_ms);
  visit("longest_gap_before_ms", r.longest_gap_before_ms);
  visit("latency_p50_us", r.latency_p50_us);
  visit("latency_p99_us", r.latency_p99_us);
  visit("latency_after_p50_us", r.latency_after_p50_us);
  visit("latency_after_p99_us", r.latency_after_p99_us);
  visit("writes_per_s", r.writes_per_s);
}

}  // namespace

std::string ToJson(const WriterReport& report) {
  json::object object;
  VisitFields(report, [&](const char* name, const auto& field) {
    object[name] = field;
  });
  return json::serialize(object);
}

WriterReport ReportFromJson(const std::string& text) {
  WriterReport report;
  const json::object object = json::parse(text).as_object();
  VisitFields(report, [&](const char* name, auto& field) {
    field = json::value_to<std::remove_reference_t<decltype(field)>>(
        object.at(name));
  });
  return report;
}

}  // namespace ft::bed
