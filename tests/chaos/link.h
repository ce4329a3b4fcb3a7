// SPDX-License-Identifier: GPL-2.0-or-later
//
// Link: a cable of the bed's Network that misbehaves as told (impairment.h).
// It is put into a cable between a host's end and the switch at run time,
// and taken out again:
//
//        host                    switch's namespace
//     +--------+     +---------------------------------------------+
//     |  log0 -|-----|- log-a == chaos_link == log-a-x -- log-a-s  |
//     +--------+     |  (as ever)  two packet      (a veth pair) | |
//                    |             sockets             bridge log  |
//                    +---------------------------------------------+
//
// Without a link, log-a is the port of the bridge itself. The host's carrier
// hangs on log-a, which stays up whatever the link does: delay, loss and
// one-way cuts look like a bad network, not like a pulled plug. Network::Cut
// still pulls the plug (it sets log-a down), link or no link.
//
// By itself the link adds under 0.1 ms. Frames are those of a real wire: the
// host's end gets no offloads from here on, so that segments of 64 KiB and
// checksums that nobody computed do not travel.
//
// The program speaks in lines, each answered with one, {} or {"error": ...}:
//
//     set out|in IMPAIRMENT        as JSON
//     inject out|in corrupt|truncate PORT PAYLOAD-MIN
//     counts out|in                the counts, as JSON
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/chaos/impairment.h"
#include "tests/chaos/tcp_injector.h"
#include "tests/system/child_process.h"
#include "tests/system/network.h"

namespace ft::chaos {

// The program chaos_link in the switch's namespace, put into the cable by the
// constructor and taken out by the destructor; both move the cable within
// some milliseconds, in which frames may be lost. At most one for a cable.
// One thread.
class Link {
 public:
  // `program` is the path of chaos_link. Throws bed::BedError.
  Link(const std::string& program, const bed::Network& network, bed::Side side,
       bed::Cable cable, uint64_t seed, const std::string& error_path);
  // Frames that wait are lost.
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // In force for every frame that arrives after the return; frames that wait
  // already keep their times, and those behind them their order. Throws
  // bed::BedError.
  void Set(Direction direction, const Impairment& impairment);
  void SetBoth(const Impairment& impairment);
  // A perfect cable again.
  void Clear() { SetBoth({}); }
  // Arms the injector (tcp_injector.h): to the next segment of at least
  // `payload_min` bytes that goes this way to or from `port`, once. Done when
  // the count has grown.
  void Inject(Direction direction, StreamFault fault, int port,
              int payload_min = 1);
  LinkCounts Counts(Direction direction);
  // The program's.
  pid_t pid() const { return process_->pid(); }

 private:
  std::string Ask(const std::string& line);
  void PutIn(const std::string& program, const std::string& host,
             const char* host_end);
  void TakeOut();

  const std::string switch_;  // the switch's namespace
  const std::string port_;    // "log-a"
  const std::string bridge_;  // "log"
  std::unique_ptr<bed::ChildProcess> process_;
};

}  // namespace ft::chaos
