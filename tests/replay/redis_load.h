// SPDX-License-Identifier: GPL-2.0-or-later
//
// RedisLoad: a client of the guest's Redis on one connection that it never
// reopens. Writes numbered values, remembers what was acknowledged, and in
// the end reads every one of them back. Runs on a thread of its own, so that
// the test's thread can carry the log meanwhile.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

struct redisContext;

namespace ft::replay {

class RedisLoad {
 public:
  // Starts at once.
  explicit RedisLoad(int writes);
  // Waits for the thread; every call in it is bounded by kPatience.
  ~RedisLoad();
  RedisLoad(const RedisLoad&) = delete;
  RedisLoad& operator=(const RedisLoad&) = delete;

  int acknowledged() const { return acknowledged_; }
  bool done() const { return done_; }
  // Once done: empty, or what went wrong first.
  const std::string& error() const { return error_; }

 private:
  void LoadMain();
  // Each returns false after an error.
  bool Connect();
  bool Write(int number);
  bool ReadBack(int number);
  bool Fail(const std::string& what);

  struct Free {
    void operator()(redisContext* context) const;
  };

  const int writes_;
  std::unique_ptr<redisContext, Free> connection_;
  std::atomic<int> acknowledged_ = 0;
  std::atomic<bool> done_ = false;
  std::string error_;  // written before done_
  std::jthread thread_;
};

}  // namespace ft::replay
