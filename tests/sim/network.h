// SPDX-License-Identifier: GPL-2.0-or-later
//
// Network: what lies between the two hosts.
//
// Fault model. A direction may be cut and healed; packets may be late by
// as much as a storm says. Datagrams (heartbeats) are lost, doubled and
// overtake each other. A log connection is TCP: in order, whole, never
// doubled; while its path is cut its bytes wait, and after a second without
// acknowledgement the sender is told that it is lost (TCP_USER_TIMEOUT) and
// the receiver is not (half-open). When an end closes, or its process dies,
// the other hears it in order or, as a reset, at once with what was under
// way lost. A host without power or kernel answers nothing; one that came
// back answers old connections with a reset. Contents are never corrupted:
// the real channel has checksums, and its tests.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "tests/sim/schedule.h"

namespace ft::sim {

class Engine;
class World;

struct Frame {
  enum class Type : uint8_t {
    kHello,          // a: -
    kHelloReply,     // a: accepted
    kCloneDone,      // a: position
    kEntries,        // a: first, b: end, c: released, log: whose
    kAck,            // a: received, b: replayed, c: entitled
    kProtect,        // a: position
    kVmGone,         // a: final position
    kHandover,       // a: final position
    kHandoverReply,  // a: done
    kBye,
    kEnd,  // the connection's, in order
  };
  Type type = Type::kEnd;
  uint64_t epoch = 0;
  uint64_t a = 0, b = 0, c = 0;
  const Engine* log = nullptr;
};

struct Beat {
  uint64_t epoch = 0;
  uint64_t sequence = 0;
  uint64_t echo = 0;  // the newest of the peer's that was heard
};

// One log connection. Ends are named by their hosts.
struct Connection {
  struct End {
    bool open = false;
    uint32_t incarnation = 0;  // of the ftd that has it
  };
  // From the host of that number.
  struct Direction {
    Time last = 0;            // arrival of the newest frame under way
    Time unanswered = 0;      // oldest send that TCP has no answer for
    uint32_t generation = 0;  // a reset drops what was sent before
    Time lost_after = 0;      // its host lost power; what was queued is gone
    std::deque<Frame> stuck;
  };
  std::array<End, 2> ends;
  std::array<Direction, 2> ways;
};

class Network {
 public:
  explicit Network(World& world) : world_(world) {}

  // --- Faults. Directions are named by the host that sends.
  void Cut(int from) { cut_[from] = true; }
  void Heal();    // no direction is cut any more
  void Resume();  // paths that work again carry what was stuck
  void Storm(Time delay, int loss_percent) {
    storm_ = delay;
    loss_ = loss_percent;
  }
  void Reset(Connection* connection);
  bool cut(int from) const { return cut_[from]; }

  // --- What an ftd uses.
  // Ends in OnConnected and the peer's OnAccepted, or in OnConnected with
  // nothing.
  void Connect(int from);
  void Send(Connection* connection, int from, const Frame& frame);
  void Close(Connection* connection, int host);
  // The kernel does so for a process that died; without power nobody does.
  void CloseAll(int host);
  void LosePower(int host);
  void SendBeat(int from, const Beat& beat);

 private:
  Time Delay();
  bool Blocked(int from) const;
  void Arrive(Connection* connection, int from, uint32_t generation,
              const Frame& frame);
  void Lose(Connection* connection, int host, const char* why);
  void WatchAnswers(Connection* connection, int from);
  void BeatArrives(int from, const Beat& beat);

  World& world_;
  std::array<bool, 2> cut_{};
  Time storm_ = 0;
  int loss_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace ft::sim
