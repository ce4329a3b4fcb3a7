// SPDX-License-Identifier: GPL-2.0-or-later
//
// Link: a cable of the bed's Network that misbehaves as told. It is put into
// a cable between a host's end and the switch at run time, and taken out:
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
// Fault model, each direction on its own (kOutward: from the host to the
// switch; kInward: to the host):
//   delay, jitter    each frame later by delay + uniform [0, jitter]; order is
//                    kept unless `reorder`
//   loss, duplicate  a frame is dropped, or sent twice, with a probability
//   reorder          a frame overtakes those that wait, with a probability:
//                    it skips the delay
//   cut              nothing goes this way (one-way cut: set one direction)
//   mbit_per_s       frames leave no faster; those that would wait for more
//                    than `queue_ms` at this rate are dropped
// Every choice comes from one seeded generator per direction. Delays beyond
// that, the link adds under 0.1 ms. It forwards what a cable forwards; it
// does not invent frames and changes none, but for the two deeds of
// tcp_injector.h.
//
// Left out on purpose: corruption of frames (TCP's checksum drops them: the
// same as loss).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/system/child_process.h"
#include "tests/system/network.h"

namespace ft::chaos {

enum class Direction { kOutward, kInward };

// One direction's behaviour. The default is a perfect cable.
struct Impairment {
  double delay_ms = 0;
  double jitter_ms = 0;
  double loss = 0;  // probabilities, 0 to 1
  double duplicate = 0;
  double reorder = 0;
  bool cut = false;
  double mbit_per_s = 0;  // 0: as fast as it goes
  double queue_ms = 100;  // meaningless without mbit_per_s

  bool operator==(const Impairment&) const = default;
};

std::string ToJson(const Impairment& impairment);
// Throws std::runtime_error naming the field that is unknown or out of range.
Impairment ImpairmentFromJson(const std::string& json);

// What went through since the link was put in; all of them only grow.
struct LinkCounts {
  uint64_t received = 0;
  uint64_t forwarded = 0;  // a frame sent twice counts twice
  uint64_t lost = 0;       // by `loss`
  uint64_t cut = 0;        // by `cut`
  uint64_t duplicated = 0;
  uint64_t reordered = 0;
  uint64_t overflowed = 0;  // by mbit_per_s, or more frames than are kept
  // Deeds of the injector that were done.
  uint64_t corrupted = 0;
  uint64_t truncated = 0;
};

// What the injector does once to a TCP stream, to the next segment with
// payload of at least `payload_min` bytes that goes this way to or from
// `port`. The segment gets a right checksum: TCP delivers the damage.
enum class StreamFault {
  kCorrupt,   // one bit of the payload, chosen by the seed, is turned over
  kTruncate,  // half of the payload, then the stream ends (FIN); what the
              // sender sends after it goes nowhere
};

// The program chaos_link in the switch's namespace. It is put into the cable
// by the constructor and taken out by the destructor; both take the cable out
// of service for some 10 ms, and the host's carrier is not touched. One
// thread.
class Link {
 public:
  // `program` is the path of chaos_link. Throws bed::BedError.
  Link(const std::string& program, const bed::Network& network, bed::Side side,
       bed::Cable cable, uint64_t seed, const std::string& error_path);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // In force for every frame that arrives after the return; frames that wait
  // already keep their times. Throws bed::BedError.
  void Set(Direction direction, const Impairment& impairment);
  void SetBoth(const Impairment& impairment);
  // A perfect cable again.
  void Clear() { SetBoth({}); }
  // Arms the injector; done when the count has grown.
  void Inject(Direction direction, StreamFault fault, int port,
              int payload_min = 1);
  LinkCounts Counts(Direction direction);

 private:
  std::string Ask(const std::string& line);
  void PutIn();
  void TakeOut();

  const std::string switch_;  // the switch's namespace
  const std::string port_;    // "log-a"
  const std::string bridge_;  // "log"
  std::unique_ptr<bed::ChildProcess> process_;
};

}  // namespace ft::chaos
