// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/peers.h"

#include <arpa/inet.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <random>
#include <stdexcept>

#include "tests/replay/network_bed.h"

namespace ft::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kGatePort = 7;
constexpr int kSenderPort = 5001;
constexpr int kReceiverPort = 5002;
constexpr int kRedisPort = 6379;
constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};

// One at a time: enough for a 99th percentile. In flight: a few seconds.
constexpr int kOneByOne = 2'000;
constexpr int kRequests = 40'000;
constexpr int kInFlight = 16;
constexpr int kKeys = 1'000;
constexpr size_t kValueBytes = 200;

sockaddr_in Address(const char* text, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, text, &address.sin_addr);
  return address;
}

const sockaddr* Generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

struct FreeRedis {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Redis = std::unique_ptr<redisContext, FreeRedis>;
using Reply = std::unique_ptr<redisReply, FreeRedis>;

Redis ConnectToGuest() {
  Redis context(
      redisConnectWithTimeout(replay::kGuestAddress, kRedisPort, kPatience));
  if (!context || context->err) throw std::runtime_error("no connection");
  redisSetTimeout(context.get(), kPatience);
  return context;
}

template <typename... Words>
Reply Command(redisContext* context, const char* format, Words... words) {
  Reply reply(
      static_cast<redisReply*>(redisCommand(context, format, words...)));
  if (!reply) throw std::runtime_error(context->errstr);
  if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(reply->str);
  return reply;
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

// --- Gate

bool Gate::Open() {
  if (!socket_.valid()) {
    const sockaddr_in guest = Address(replay::kGuestAddress, kGatePort);
    socket_ = ScopedFd(
        socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)connect(socket_.get(), Generic(guest), sizeof guest);
  }
  pollfd ready = {.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  if (poll(&ready, 1, 0) <= 0) return false;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  socket_.Reset();
  return error == 0;
}

// --- BulkPeer

BulkPeer::BulkPeer(Peer role, int mebibytes)
    : role_(role),
      mebibytes_(mebibytes),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_in self =
      Address(replay::kHostAddress,
              role_ == Peer::kSender ? kSenderPort : kReceiverPort);
  const int on = 1;
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener_.get(), Generic(self), sizeof self) != 0 ||
      listen(listener_.get(), 1) != 0) {
    throw std::runtime_error("the bench cannot listen for the guest");
  }
  thread_ = std::jthread([this] { Main(); });
}

// The guest is done, or gone; either way nobody else will connect.
BulkPeer::~BulkPeer() { shutdown(listener_.get(), SHUT_RDWR); }

void BulkPeer::Main() {
  const ScopedFd connection(
      accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection.valid()) return;
  setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience,
             sizeof kPatience);
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience,
             sizeof kPatience);
  if (role_ == Peer::kSender) Send(connection.get());
  char bytes[65536];
  while (recv(connection.get(), bytes, sizeof bytes, 0) > 0) {
  }
}

// Bytes that nothing compresses.
void BulkPeer::Send(int connection) {
  std::vector<uint32_t> mebibyte((1u << 20) / sizeof(uint32_t));
  std::mt19937 random(1);
  for (int sent = 0; sent < mebibytes_; ++sent) {
    std::generate(mebibyte.begin(), mebibyte.end(), std::ref(random));
    const auto* bytes = reinterpret_cast<const char*>(mebibyte.data());
    for (size_t left = 1u << 20; left > 0;) {
      const ssize_t size =
          send(connection, bytes + (1u << 20) - left, left, MSG_NOSIGNAL);
      if (size <= 0) return;
      left -= static_cast<size_t>(size);
    }
  }
  shutdown(connection, SHUT_WR);
}

// --- KvClient

struct KvClient::Connection {
  // Reads and writes in turn.
  void Ask(int number) {
    const int key = number / 2 % kKeys;
    if (number % 2 == 0) {
      redisAppendCommand(context.get(), "SET key:%d %b", key, value.data(),
                         value.size());
    } else {
      redisAppendCommand(context.get(), "GET key:%d", key);
    }
  }
  void Answer(int number) {
    void* any = nullptr;
    if (redisGetReply(context.get(), &any) != REDIS_OK) {
      throw std::runtime_error(context->errstr);
    }
    auto* reply = static_cast<redisReply*>(any);
    const bool well = number % 2 == 0 ? reply->type == REDIS_REPLY_STATUS
                                      : reply->type == REDIS_REPLY_STRING &&
                                            reply->len == value.size();
    freeReplyObject(any);
    if (!well) throw std::runtime_error("a wrong answer");
  }

  const Redis context = ConnectToGuest();
  const std::string value = std::string(kValueBytes, 'v');
};

KvClient::KvClient() : thread_([this] { Main(); }) {}

KvClient::~KvClient() = default;

void KvClient::Main() {
  try {
    Connection connection;
    OneByOne(connection);
    ManyInFlight(connection);
  } catch (const std::exception& error) {
    error_ = error.what();
  }
  done_ = true;
}

void KvClient::OneByOne(Connection& connection) {
  std::vector<double> latencies;
  for (int i = 0; i < kOneByOne; ++i) {
    const auto start = Clock::now();
    connection.Ask(i);
    connection.Answer(i);
    latencies.push_back(SecondsSince(start) * 1e6);
  }
  std::sort(latencies.begin(), latencies.end());
  requests_.p50_us = latencies[latencies.size() / 2];
  requests_.p99_us = latencies[latencies.size() * 99 / 100];
}

void KvClient::ManyInFlight(Connection& connection) {
  const auto start = Clock::now();
  int asked = 0;
  for (int answered = 0; answered < kRequests; ++answered) {
    while (asked < kRequests && asked < answered + kInFlight) {
      connection.Ask(asked++);
    }
    connection.Answer(answered);
  }
  requests_.per_second = kRequests / SecondsSince(start);
}

// --- ClockClient

namespace {

// Some tens of milliseconds of the guest's.
constexpr char kComputation[] =
    "local s = 0 for i = 1, 300000 do s = s + i end return s";

// By how much the guest's clock is ahead of this host's, up to the time that
// it took to come here: of three answers the quickest one's.
double AheadMs(redisContext* context) {
  double quickest = 1e9, ahead = 0;
  for (int i = 0; i < 3; ++i) {
    const auto asked = std::chrono::system_clock::now();
    const Reply reply = Command(context, "TIME");
    const auto answered = std::chrono::system_clock::now();
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
      throw std::runtime_error("TIME is no time");
    }
    using Ms = std::chrono::duration<double, std::milli>;
    const double took = Ms(answered - asked).count();
    if (took >= quickest) continue;
    quickest = took;
    ahead = std::stod(reply->element[0]->str) * 1e3 +
            std::stod(reply->element[1]->str) / 1e3 -
            Ms(asked.time_since_epoch()).count() - took / 2;
  }
  return ahead;
}

}  // namespace

ClockClient::ClockClient(std::chrono::seconds duration, bool busy)
    : thread_([this, duration, busy] { Main(duration, busy); }) {}

ClockClient::~ClockClient() = default;

void ClockClient::Main(std::chrono::seconds duration, bool busy) {
  try {
    const Redis context = ConnectToGuest();
    const double first = AheadMs(context.get());
    const auto end = Clock::now() + duration;
    while (Clock::now() < end) {
      if (busy) {
        Command(context.get(), "EVAL %s 0", kComputation);
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
      }
      run_.off_ms_end = AheadMs(context.get()) - first;
      run_.off_ms_max = std::max(run_.off_ms_max, std::abs(run_.off_ms_end));
    }
  } catch (const std::exception& error) {
    error_ = error.what();
  }
  done_ = true;
}

}  // namespace ft::bench
