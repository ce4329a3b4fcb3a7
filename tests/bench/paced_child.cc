// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/paced_child.h"

#include <sys/socket.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <system_error>
#include <vector>

#include "tests/replay/network_bed.h"

namespace ft::bench {
namespace {

constexpr size_t kMessageBytes = 4096;

void Say(int socket, const std::string& message) {
  (void)send(socket, message.data(), message.size(), MSG_NOSIGNAL);
}

// The child's side.
class Reins : public Pacing {
 public:
  explicit Reins(int socket) : socket_(socket) {}
  void OnReady(pid_t engine) override {
    Say(socket_, "ready " + std::to_string(engine));
  }
  bool may_begin() override {
    char word[8];
    return recv(socket_, word, sizeof word, MSG_DONTWAIT) > 0;
  }
  void OnDone() override { Say(socket_, "done"); }

 private:
  const int socket_;
};

void RunAndTell(const std::function<boost::json::value(Pacing&)>& run,
                int socket) {
  try {
    const replay::NetworkBed bed;
    Reins reins(socket);
    if (bed.status().ok()) Say(socket, boost::json::serialize(run(reins)));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
  }
}

}  // namespace

PacedChild::PacedChild(const std::function<boost::json::value(Pacing&)>& run) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  socket_ = ScopedFd(ends[0]);
  const ScopedFd other(ends[1]);
  child_.emplace([&] {
    socket_.Reset();
    RunAndTell(run, other.get());
  });
}

std::optional<std::string> PacedChild::Receive() {
  std::vector<char> bytes(kMessageBytes);
  ssize_t size;
  do {
    size = recv(socket_.get(), bytes.data(), bytes.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return std::nullopt;
  return std::string(bytes.data(), static_cast<size_t>(size));
}

bool PacedChild::AwaitReady() {
  const auto message = Receive();
  if (!message || !message->starts_with("ready ")) return false;
  engine_ = std::stoi(message->substr(6));
  return true;
}

void PacedChild::Go() { Say(socket_.get(), "go"); }

void PacedChild::Signal(int signal) const { kill(engine_, signal); }

bool PacedChild::AwaitDone() { return Receive() == "done"; }

std::optional<boost::json::value> PacedChild::AwaitResult() {
  const auto message = Receive();
  if (!message) return std::nullopt;
  boost::system::error_code error;
  boost::json::value value = boost::json::parse(*message, error);
  if (error || value.is_null()) return std::nullopt;
  return value;
}

}  // namespace ft::bench
