// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/network.h"

#include "tests/sim/ftd.h"
#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr Time kUserTimeout = kSecond;
constexpr Time kConnectTimeout = 2 * kSecond;

}  // namespace

Time Network::Delay() {
  Random& random = world_.random;
  Time delay = random.Between(60, 300) * kUs;
  if (storm_ > 0) delay += random.Between(0, storm_);
  return delay;
}

bool Network::Blocked(int from) const {
  return cut_[from] || !world_.hosts[1 - from].kernel_runs(world_.now());
}

void Network::Connect(int from) {
  connections_.push_back(std::make_unique<Connection>());
  Connection* connection = connections_.back().get();
  Host& caller = world_.hosts[from];
  Host& callee = world_.hosts[1 - from];
  for (int host : {from, 1 - from}) {
    const Process& process = world_.hosts[host].ftd->process;
    connection->ends[host].incarnation = process.incarnation;
  }
  const Time there = Delay();
  const bool up =
      callee.ftd->process.alive && !Blocked(from) && !Blocked(1 - from);
  Ftd* mine = caller.ftd.get();
  Ftd* theirs = callee.ftd.get();
  if (!up) {
    world_.schedule.In(mine->process, kConnectTimeout,
                       [mine] { mine->OnConnected(nullptr); });
    return;
  }
  connection->ends[0].open = connection->ends[1].open = true;
  world_.schedule.In(theirs->process, there,
                     [theirs, connection] { theirs->OnAccepted(connection); });
  world_.schedule.In(mine->process, there + Delay(),
                     [mine, connection] { mine->OnConnected(connection); });
}

void Network::Send(Connection* connection, int from, const Frame& frame) {
  if (!connection->ends[from].open) return;
  Connection::Direction& way = connection->ways[from];
  Time arrives = world_.now() + Delay();
  // A lost segment is sent again.
  if (loss_ > 0 && world_.random.Chance(loss_)) arrives += 200 * kMs;
  way.last = std::max(arrives, way.last + 1);
  const uint32_t generation = way.generation;
  world_.schedule.At(way.last, [this, connection, from, generation, frame] {
    Arrive(connection, from, generation, frame);
  });
  if (way.unanswered == 0) {
    way.unanswered = world_.now();
    WatchAnswers(connection, from);
  }
}

void Network::WatchAnswers(Connection* connection, int from) {
  const Time since = connection->ways[from].unanswered;
  world_.schedule.In(kUserTimeout, [this, connection, from, since] {
    Connection::Direction& way = connection->ways[from];
    if (way.unanswered == since) {
      Lose(connection, from, "log connection timed out");
    } else if (way.unanswered != 0) {
      WatchAnswers(connection, from);
    }
  });
}

void Network::Arrive(Connection* connection, int from, uint32_t generation,
                     const Frame& frame) {
  Connection::Direction& way = connection->ways[from];
  if (generation != way.generation) return;
  if (way.lost_after != 0 && world_.now() > way.lost_after) return;
  if (Blocked(from) || !way.stuck.empty()) {
    way.stuck.push_back(frame);
    return;
  }
  if (!Blocked(1 - from)) way.unanswered = 0;
  const int to = 1 - from;
  Connection::End& end = connection->ends[to];
  Ftd* ftd = world_.hosts[to].ftd.get();
  const bool there =
      ftd->process.alive && ftd->process.incarnation == end.incarnation;
  if (frame.type == Frame::Type::kEnd) {
    if (end.open) Lose(connection, to, "log connection closed by the peer");
    return;
  }
  if (!there || !end.open) {
    // Nobody has that connection any more.
    if (!Blocked(to)) Lose(connection, from, "log connection reset");
    return;
  }
  world_.schedule.In(ftd->process, 5 * kUs, [ftd, connection, frame] {
    ftd->OnFrame(connection, frame);
  });
}

// `host` is told, if it still holds its end.
void Network::Lose(Connection* connection, int host, const char* why) {
  Connection::End& end = connection->ends[host];
  if (!end.open) return;
  end.open = false;
  Ftd* ftd = world_.hosts[host].ftd.get();
  if (!ftd->process.alive || ftd->process.incarnation != end.incarnation) {
    return;
  }
  world_.schedule.In(ftd->process, 5 * kUs, [ftd, connection, why] {
    ftd->OnConnectionLost(connection, why);
  });
}

void Network::Reset(Connection* connection) {
  for (int host : {0, 1}) {
    ++connection->ways[host].generation;
    Lose(connection, host, "log connection reset");
  }
}

void Network::Close(Connection* connection, int host) {
  Connection::End& end = connection->ends[host];
  if (!end.open) return;
  // Unread bytes turn an orderly end into a reset, which overtakes.
  if (world_.random.Chance(20)) ++connection->ways[host].generation;
  Send(connection, host, Frame{.type = Frame::Type::kEnd});
  end.open = false;
}

void Network::CloseAll(int host) {
  for (auto& connection : connections_) Close(connection.get(), host);
}

// What is on the wire arrives; what its kernel still had is gone.
void Network::LosePower(int host) {
  for (auto& connection : connections_) {
    connection->ends[host].open = false;
    Connection::Direction& way = connection->ways[host];
    if (way.lost_after == 0) way.lost_after = world_.now() + 200 * kUs;
  }
}

void Network::Heal() {
  cut_ = {};
  Resume();
}

void Network::Resume() {
  for (auto& connection : connections_) {
    for (int from : {0, 1}) {
      Connection::Direction& way = connection->ways[from];
      if (Blocked(from)) continue;
      if (way.stuck.empty()) {
        if (!Blocked(1 - from) && way.last <= world_.now()) way.unanswered = 0;
        continue;
      }
      // TCP sends again when its timer says so.
      std::deque<Frame> stuck = std::move(way.stuck);
      way.stuck.clear();
      Time at = world_.now() + world_.random.Between(1, 200) * kMs;
      for (const Frame& frame : stuck) {
        at = std::max(at, way.last) + 1;
        way.last = at;
        const uint32_t generation = way.generation;
        Connection* held = connection.get();
        world_.schedule.At(at, [this, held, from, generation, frame] {
          Arrive(held, from, generation, frame);
        });
      }
    }
  }
}

void Network::SendBeat(int from, const Beat& beat) {
  if (loss_ > 0 && world_.random.Chance(loss_)) return;
  const int copies = loss_ > 0 && world_.random.Chance(loss_) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    world_.schedule.In(Delay(),
                       [this, from, beat] { BeatArrives(from, beat); });
  }
}

void Network::BeatArrives(int from, const Beat& beat) {
  if (Blocked(from)) return;
  Ftd* ftd = world_.hosts[1 - from].ftd.get();
  if (!ftd->process.alive) return;
  world_.schedule.In(ftd->process, 5 * kUs, [ftd, beat] { ftd->OnBeat(beat); });
}

}  // namespace ft::sim
