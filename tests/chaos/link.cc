// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/link.h"

#include <boost/json.hpp>
#include <cstdio>

namespace ft::chaos {
namespace {

using bed::BedError;
using bed::Cable;
using bed::milliseconds;
using bed::Network;

constexpr milliseconds kPrompt{5000};

const char* WordOf(Direction direction) {
  return direction == Direction::kOutward ? "out" : "in";
}

}  // namespace

Link::Link(const std::string& program, const Network& network, bed::Side side,
           Cable cable, uint64_t seed, const std::string& error_path)
    : switch_(network.SwitchNamespace()),
      port_(Network::Port(side, cable)),
      bridge_(cable == Cable::kUplink ? "lan" : "log") {
  PutIn(program, network.HostNamespace(side),
        cable == Cable::kUplink ? "eth0" : "log0");
  process_ = std::make_unique<bed::ChildProcess>(bed::ChildProcess::Options{
      .argv = Network::Inside(
          switch_, {program, "--seed", std::to_string(seed), "--host-port",
                    port_, "--switch-port", port_ + "-x"}),
      .error_path = error_path,
      .talk = true});
  const auto line = process_->ReadLine(kPrompt);
  if (line != "ready") {
    TakeOut();
    throw BedError("chaos_link did not start: " +
                   line.value_or("it said nothing, see " + error_path));
  }
  // From one cable to the other at once.
  bed::RunOrThrow({"ip", "-n", switch_, "-batch", "-"},
                  {.input = "link set " + port_ + " nomaster\nlink set " +
                            port_ + "-s master " + bridge_ + "\n"});
}

Link::~Link() {
  try {
    TakeOut();
  } catch (const std::exception& error) {
    // The bed's end takes all of it away.
    fprintf(stderr, "link %s: %s\n", port_.c_str(), error.what());
  }
}

void Link::PutIn(const std::string& program, const std::string& host,
                 const char* host_end) {
  const std::string near = port_ + "-x";
  const std::string far = port_ + "-s";
  bed::RunOrThrow(
      {"ip", "-n", switch_, "-batch", "-"},
      {.input = "link add " + near + " type veth peer name " + far +
                "\nlink set " + near + " up\nlink set " + far + " up\n"});
  bed::RunOrThrow(Network::Inside(switch_, {program, "--no-offloads", far}));
  bed::RunOrThrow(Network::Inside(host, {program, "--no-offloads", host_end}));
}

void Link::TakeOut() {
  bed::RunOrThrow({"ip", "-n", switch_, "-batch", "-"},
                  {.input = "link del " + port_ + "-x\nlink set " + port_ +
                            " master " + bridge_ + "\n"});
  process_.reset();
}

std::string Link::Ask(const std::string& line) {
  std::string trouble = "no answer";
  if (process_->WriteLine(line)) {
    if (const auto answer = process_->ReadLine(kPrompt)) {
      if (!answer->starts_with("{\"error\"")) return *answer;
      trouble = *answer;
    }
  }
  throw BedError("chaos_link on " + port_ + ", asked \"" + line +
                 "\": " + trouble);
}

void Link::Set(Direction direction, const Impairment& impairment) {
  Ask(std::string("set ") + WordOf(direction) + " " + ToJson(impairment));
}

void Link::SetBoth(const Impairment& impairment) {
  Set(Direction::kOutward, impairment);
  Set(Direction::kInward, impairment);
}

void Link::Inject(Direction direction, StreamFault fault, int port,
                  int payload_min) {
  Ask(std::string("inject ") + WordOf(direction) +
      (fault == StreamFault::kCorrupt ? " corrupt " : " truncate ") +
      std::to_string(port) + " " + std::to_string(payload_min));
}

LinkCounts Link::Counts(Direction direction) {
  return LinkCountsFromJson(Ask(std::string("counts ") + WordOf(direction)));
}

}  // namespace ft::chaos
