// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/history_connection.h"

#include <hiredis/hiredis.h>

#include "tests/chaos/history_client.h"
#include "tests/system/reply_times.h"

namespace ft::chaos {
namespace {

timeval ToTimeval(std::chrono::milliseconds time) {
  return {time.count() / 1000, (time.count() % 1000) * 1000};
}

std::vector<std::string> WordsOf(const Operation& operation) {
  switch (operation.kind) {
    case Kind::kSet:
      return {"SET", operation.key, operation.argument};
    case Kind::kGet:
      return {"GET", operation.key};
    case Kind::kPush:
      return {"RPUSH", operation.key, operation.argument};
    case Kind::kRange:
      return {"LRANGE", operation.key, "0", "-1"};
  }
  return {};
}

std::string TextOf(const redisReply& reply) { return {reply.str, reply.len}; }

}  // namespace

SegmentKeys::SegmentKeys(int segment, int registers, int lists, int list_length)
    : prefix_("s" + std::to_string(segment) + ":"),
      registers_(registers),
      lists_(lists),
      list_length_(static_cast<uint64_t>(list_length)),
      pushes_(static_cast<size_t>(lists)) {}

std::string SegmentKeys::Register(int n) const {
  return prefix_ + "r" + std::to_string(n);
}

std::string SegmentKeys::List(int n, uint64_t generation) const {
  return prefix_ + "l" + std::to_string(n) + "." + std::to_string(generation);
}

std::string SegmentKeys::ListToPush(int n) {
  return List(n, pushes_[static_cast<size_t>(n)].fetch_add(1) / list_length_);
}

std::string SegmentKeys::ListToRead(int n) const {
  const uint64_t pushes = pushes_[static_cast<size_t>(n)].load();
  return List(n, (pushes ? pushes - 1 : 0) / list_length_);
}

std::vector<std::string> SegmentKeys::AllRegisters() const {
  std::vector<std::string> keys;
  for (int n = 0; n < registers_; ++n) keys.push_back(Register(n));
  return keys;
}

std::vector<std::string> SegmentKeys::AllLists() const {
  std::vector<std::string> keys;
  for (int n = 0; n < lists_; ++n) {
    const uint64_t pushes = pushes_[static_cast<size_t>(n)].load();
    for (uint64_t first = 0; first < pushes; first += list_length_) {
      keys.push_back(List(n, first / list_length_));
    }
  }
  return keys;
}

void HistoryConnection::ReplyDeleter::operator()(redisReply* reply) const {
  freeReplyObject(reply);
}

HistoryConnection::HistoryConnection(int client,
                                     const HistoryClientOptions& options,
                                     std::atomic<uint64_t>& answered)
    : client_(client),
      options_(options),
      all_answered_(answered),
      random_(options.seed * 1000 + static_cast<uint64_t>(client)) {}

HistoryConnection::~HistoryConnection() {
  StopSegment();
  EndSegment();
  if (context_) redisFree(context_);
}

void HistoryConnection::Die(const std::string& why) {
  error_ = "connection " + std::to_string(client_) + ": " + why;
  open_.store(false);
}

bool HistoryConnection::Open() {
  const timeval deadline = ToTimeval(options_.reply_deadline);
  context_ =
      redisConnectWithTimeout(options_.host.c_str(), options_.port, deadline);
  if (!context_ || context_->err) {
    Die(options_.host + ": " + (context_ ? context_->errstr : "no memory"));
    return false;
  }
  redisSetTimeout(context_, deadline);
  open_.store(true);
  return true;
}

bool HistoryConnection::Clear() { return Command({"FLUSHALL"}) != nullptr; }

HistoryConnection::Reply HistoryConnection::Command(
    const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<size_t> lengths;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    lengths.push_back(word.size());
  }
  Reply reply(static_cast<redisReply*>(redisCommandArgv(
      context_, static_cast<int>(words.size()), texts.data(), lengths.data())));
  if (!reply) {
    Die(context_->errstr);
  } else if (reply->type == REDIS_REPLY_ERROR) {
    Die(words.front() + " was refused: " + TextOf(*reply));
    reply.reset();
  }
  return reply;
}

void HistoryConnection::BeginSegment(SegmentKeys& keys) {
  if (!open()) return;
  stop_.store(false);
  thread_ = std::jthread([this, &keys] { SegmentMain(keys); });
}

void HistoryConnection::EndSegment() {
  StopSegment();
  if (thread_.joinable()) thread_.join();
}

void HistoryConnection::SegmentMain(SegmentKeys& keys) {
  while (!stop_.load() && Execute(Choose(keys))) {
  }
}

Operation HistoryConnection::Choose(SegmentKeys& keys) {
  const auto below = [this](int n) {
    return static_cast<int>(random_() % static_cast<uint64_t>(n));
  };
  Operation operation;
  operation.client = client_;
  // Of 20: 7 SET, 7 GET, 3 RPUSH, 3 LRANGE.
  const int choice = below(20);
  if (choice < 14) {
    operation.kind = choice < 7 ? Kind::kSet : Kind::kGet;
    operation.key = keys.Register(below(keys.registers()));
  } else {
    operation.kind = choice < 17 ? Kind::kPush : Kind::kRange;
    const int list = below(keys.lists());
    operation.key = operation.kind == Kind::kPush ? keys.ListToPush(list)
                                                  : keys.ListToRead(list);
  }
  if (operation.kind == Kind::kSet || operation.kind == Kind::kPush) {
    operation.argument =
        "c" + std::to_string(client_) + "." + std::to_string(++written_);
  }
  return operation;
}

bool HistoryConnection::Execute(Operation operation) {
  operation.invoked_ns = bed::MonotonicNs();
  const Reply reply = Command(WordsOf(operation));
  operation.returned_ns = bed::MonotonicNs();
  const bool answered = reply && ResultOf(*reply, operation);
  operation.outcome = answered ? Outcome::kAnswered : Outcome::kUnknown;
  operations_.push_back(std::move(operation));
  if (!answered) return false;
  own_answered_.fetch_add(1);
  all_answered_.fetch_add(1);
  return true;
}

bool HistoryConnection::ResultOf(const redisReply& reply,
                                 Operation& operation) {
  const Kind kind = operation.kind;
  if (kind == Kind::kSet && reply.type == REDIS_REPLY_STATUS) return true;
  if (kind == Kind::kGet && reply.type == REDIS_REPLY_NIL) return true;
  if (kind == Kind::kGet && reply.type == REDIS_REPLY_STRING) {
    operation.result = {TextOf(reply)};
    return true;
  }
  if (kind == Kind::kPush && reply.type == REDIS_REPLY_INTEGER) {
    operation.result = {std::to_string(reply.integer)};
    return true;
  }
  if (kind == Kind::kRange && reply.type == REDIS_REPLY_ARRAY) {
    for (size_t i = 0; i < reply.elements; ++i) {
      operation.result.push_back(TextOf(*reply.element[i]));
    }
    return true;
  }
  Die("an answer of type " + std::to_string(reply.type) + " to " +
      WordsOf(operation).front() + " " + operation.key);
  return false;
}

bool HistoryConnection::ReadAll(const SegmentKeys& keys) {
  const auto read = [&](Kind kind, const std::string& key) {
    return Execute({.client = client_, .key = key, .kind = kind});
  };
  for (const std::string& key : keys.AllRegisters()) {
    if (!read(Kind::kGet, key)) return false;
  }
  for (const std::string& key : keys.AllLists()) {
    if (!read(Kind::kRange, key)) return false;
  }
  return true;
}

bool HistoryConnection::Delete(const SegmentKeys& keys) {
  std::vector<std::string> words = keys.AllRegisters();
  const std::vector<std::string> lists = keys.AllLists();
  words.insert(words.begin(), "DEL");
  words.insert(words.end(), lists.begin(), lists.end());
  return Command(words) != nullptr;
}

}  // namespace ft::chaos
