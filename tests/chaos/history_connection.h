// SPDX-License-Identifier: GPL-2.0-or-later
//
// One connection of the clients of history_client.h: opened once, one request
// in flight, every operation noted.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/chaos/history.h"

struct redisContext;
struct redisReply;

namespace ft::chaos {

struct HistoryClientOptions;

// The keys of one segment, shared by the connections. Thread-safe.
class SegmentKeys {
 public:
  SegmentKeys(int segment, int registers, int lists, int list_length);

  int registers() const { return registers_; }
  int lists() const { return lists_; }
  std::string Register(int n) const;
  // The list that the next push goes to. Each call counts as a push.
  std::string ListToPush(int n);
  // The list that was pushed to last.
  std::string ListToRead(int n) const;
  // Every key that may exist.
  std::vector<std::string> AllLists() const;
  std::vector<std::string> AllRegisters() const;

 private:
  std::string List(int n, uint64_t generation) const;

  const std::string prefix_;  // "s3:"
  const int registers_;
  const int lists_;
  const uint64_t list_length_;
  std::vector<std::atomic<uint64_t>> pushes_;
};

class HistoryConnection {
 public:
  // `answered` is shared by all connections; both outlive this.
  HistoryConnection(int client, const HistoryClientOptions& options,
                    std::atomic<uint64_t>& answered);
  ~HistoryConnection();
  HistoryConnection(const HistoryConnection&) = delete;
  HistoryConnection& operator=(const HistoryConnection&) = delete;

  // False: error() says why.
  bool Open();
  // Empties the database.
  bool Clear();
  // A thread of this connection's works until StopSegment; EndSegment waits
  // for it (for a reply, at most the deadline). `keys` lives until then.
  void BeginSegment(SegmentKeys& keys);
  void StopSegment() { stop_.store(true); }
  void EndSegment();

  // Between segments. Reads every key once, and notes that as well; false if
  // the connection died.
  bool ReadAll(const SegmentKeys& keys);
  // Deletes every key; not of the history.
  bool Delete(const SegmentKeys& keys);
  const std::vector<Operation>& operations() const { return operations_; }
  std::vector<Operation> TakeOperations() { return std::move(operations_); }
  // Why the connection died, "connection N: ...", or "".
  const std::string& error() const { return error_; }

  // At any time.
  bool open() const { return open_.load(); }
  uint64_t answered() const { return own_answered_.load(); }

 private:
  struct ReplyDeleter {
    void operator()(redisReply* reply) const;
  };
  using Reply = std::unique_ptr<redisReply, ReplyDeleter>;

  void SegmentMain(SegmentKeys& keys);
  Operation Choose(SegmentKeys& keys);
  // Executes it and notes it; false if the connection died.
  bool Execute(Operation operation);
  bool ResultOf(const redisReply& reply, Operation& operation);
  Reply Command(const std::vector<std::string>& words);
  void Die(const std::string& why);

  const int client_;
  const HistoryClientOptions& options_;
  std::atomic<uint64_t>& all_answered_;
  redisContext* context_ = nullptr;
  std::atomic<bool> open_{false};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> own_answered_{0};
  // Of the thread while it runs, else of the owner.
  std::mt19937_64 random_;
  uint64_t written_ = 0;
  std::vector<Operation> operations_;
  std::string error_;
  std::jthread thread_;
};

}  // namespace ft::chaos
