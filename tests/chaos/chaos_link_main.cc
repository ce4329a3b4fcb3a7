// SPDX-License-Identifier: GPL-2.0-or-later
//
// A cable that misbehaves as told, as a program; link.h has the picture and
// the lines that it understands.
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>

#include "tests/chaos/link_direction.h"
#include "tests/chaos/packet_port.h"
#include "tests/system/reply_times.h"

namespace ft::chaos {
namespace {

// Frames that are read from one port before the other has its turn.
constexpr int kTurn = 64;

class Cable {
 public:
  Cable(const std::string& host, const std::string& at_switch, uint64_t seed)
      : host_(host),
        switch_(at_switch),
        outward_(2 * seed),
        inward_(2 * seed + 1) {}

  // Until stdin ends.
  void Run() {
    for (;;) {
      Deliver(outward_, switch_);
      Deliver(inward_, host_);
      pollfd fds[3] = {
          {0, POLLIN, 0}, {host_.fd(), POLLIN, 0}, {switch_.fd(), POLLIN, 0}};
      const timespec wait = UntilNextDue();
      if (ppoll(fds, 3, &wait, nullptr) < 0) continue;
      if (fds[0].revents && !ReadLines()) return;
      if (fds[1].revents) Receive(host_, outward_);
      if (fds[2].revents) Receive(switch_, inward_);
    }
  }

 private:
  timespec UntilNextDue() const {
    int64_t wait_ns = 3'600'000'000'000;
    for (const LinkDirection* direction : {&outward_, &inward_}) {
      if (const auto due = direction->NextDue()) {
        wait_ns = std::min(wait_ns, *due - bed::MonotonicNs());
      }
    }
    wait_ns = std::max<int64_t>(wait_ns, 0);
    return {wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
  }

  static void Receive(PacketPort& from, LinkDirection& direction) {
    for (int i = 0; i < kTurn; ++i) {
      auto frame = from.Receive();
      if (!frame) return;
      direction.Accept(bed::MonotonicNs(), std::move(*frame));
    }
  }

  static void Deliver(LinkDirection& direction, PacketPort& to) {
    while (const auto frame = direction.Take(bed::MonotonicNs())) {
      if (!to.Send(*frame)) direction.CountUnsent();
    }
  }

  bool ReadLines() {
    char buffer[4096];
    const ssize_t size = read(0, buffer, sizeof buffer);
    if (size <= 0) return false;
    unread_.append(buffer, static_cast<size_t>(size));
    for (;;) {
      const size_t end = unread_.find('\n');
      if (end == std::string::npos) return true;
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      try {
        Answer(Obey(line));
      } catch (const std::exception& error) {
        Answer(boost::json::serialize(
            boost::json::object{{"error", error.what()}}));
      }
    }
  }

  static void Answer(const std::string& line) {
    printf("%s\n", line.c_str());
    fflush(stdout);
  }

  std::string Obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb, way;
    words >> verb >> way;
    if (way != "out" && way != "in") {
      throw std::runtime_error("\"" + way +
                               "\" is no direction; out and in are");
    }
    LinkDirection& direction = way == "out" ? outward_ : inward_;
    if (verb == "set") {
      std::string json;
      std::getline(words, json);
      direction.Set(ImpairmentFromJson(json));
      return "{}";
    }
    if (verb == "inject") {
      Inject(words, direction);
      return "{}";
    }
    if (verb == "counts") return ToJson(direction.counts());
    throw std::runtime_error("what is \"" + verb + "\"?");
  }

  static void Inject(std::istringstream& words, LinkDirection& direction) {
    std::string fault;
    int port = 0;
    int payload_min = 0;
    if (!(words >> fault >> port >> payload_min) ||
        (fault != "corrupt" && fault != "truncate")) {
      throw std::runtime_error(
          "after inject come corrupt or truncate, a port, a size");
    }
    direction.injector().Arm(
        fault == "corrupt" ? StreamFault::kCorrupt : StreamFault::kTruncate,
        port, payload_min);
  }

  PacketPort host_;
  PacketPort switch_;
  LinkDirection outward_;
  LinkDirection inward_;
  std::string unread_;
};

// A cable does not wait for a processor. Where real time is not to be had,
// delays are as exact as the scheduler is prompt.
void AskForPromptness() {
  prctl(PR_SET_TIMERSLACK, 1000);
  const sched_param first = {.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) {
    (void)setpriority(PRIO_PROCESS, 0, -15);
  }
}

int Main(int argc, char** argv) {
  CLI::App app("A cable between two interfaces that misbehaves as told");
  std::string host, at_switch, no_offloads;
  uint64_t seed = 1;
  app.add_option("--host-port", host, "the interface on the host's side");
  app.add_option("--switch-port", at_switch, "that on the switch's side");
  app.add_option("--seed", seed, "of everything that is drawn");
  app.add_option("--no-offloads", no_offloads,
                 "only take this interface's offloads away");
  CLI11_PARSE(app, argc, argv);
  if (!no_offloads.empty()) {
    DisableOffloads(no_offloads);
    return 0;
  }
  Cable cable(host, at_switch, seed);
  AskForPromptness();
  printf("ready\n");
  fflush(stdout);
  cable.Run();
  return 0;
}

}  // namespace
}  // namespace ft::chaos

int main(int argc, char** argv) {
  try {
    return ft::chaos::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "chaos_link: %s\n", error.what());
    return 1;
  }
}
