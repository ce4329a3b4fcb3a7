// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/redis_load.h"

#include <hiredis/hiredis.h>
#include <sys/time.h>

#include "tests/replay/network_bed.h"

namespace ft::replay {
namespace {

constexpr int kRedisPort = 6379;
// For one answer; a failover within it is what we are here for.
constexpr timeval kPatience = {.tv_sec = 20, .tv_usec = 0};

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

// Long enough that a lost packet or a torn write would show.
std::string ValueOf(int number) {
  return std::to_string(number) + ":" +
         std::string(static_cast<size_t>(100 + number % 700), 'v');
}

}  // namespace

void RedisLoad::Free::operator()(redisContext* context) const {
  redisFree(context);
}

RedisLoad::RedisLoad(int writes)
    : writes_(writes), thread_([this] { LoadMain(); }) {}

RedisLoad::~RedisLoad() = default;

void RedisLoad::LoadMain() {
  bool well = Connect();
  for (int i = 0; well && i < writes_; ++i) well = Write(i);
  for (int i = 0; well && i < writes_; ++i) well = ReadBack(i);
  done_ = true;
}

bool RedisLoad::Fail(const std::string& what) {
  error_ = what + ": " +
           (connection_ && connection_->err ? connection_->errstr
                                            : "unexpected answer");
  return false;
}

bool RedisLoad::Connect() {
  connection_.reset(
      redisConnectWithTimeout(kGuestAddress, kRedisPort, kPatience));
  if (!connection_ || connection_->err) return Fail("connect");
  redisSetTimeout(connection_.get(), kPatience);
  return true;
}

bool RedisLoad::Write(int number) {
  const std::string value = ValueOf(number);
  const Reply reply(static_cast<redisReply*>(redisCommand(
      connection_.get(), "SET key:%d %b", number, value.data(), value.size())));
  if (!reply || reply->type != REDIS_REPLY_STATUS) {
    return Fail("write " + std::to_string(number));
  }
  acknowledged_ = number + 1;
  return true;
}

bool RedisLoad::ReadBack(int number) {
  const Reply reply(static_cast<redisReply*>(
      redisCommand(connection_.get(), "GET key:%d", number)));
  if (!reply || reply->type != REDIS_REPLY_STRING ||
      std::string(reply->str, reply->len) != ValueOf(number)) {
    return Fail("read " + std::to_string(number));
  }
  return true;
}

}  // namespace ft::replay
