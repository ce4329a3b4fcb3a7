// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/mischief.h"

#include "tests/sim/backup_side.h"
#include "tests/sim/primary_side.h"
#include "tests/sim/recovery_side.h"
#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr int kFaultKinds = 20;

}  // namespace

Mischief::Mischief(World& world, Time until) : world_(world), until_(until) {
  Random& random = world.random;
  const int dice = static_cast<int>(random.Between(0, 99));
  const int faults = dice < 5    ? 0
                     : dice < 55 ? 1
                     : dice < 80 ? 2
                                 : static_cast<int>(random.Between(3, 5));
  // Slow is no fault.
  if (random.Chance(25)) world.network.Storm(random.Between(1, 30) * kMs, 0);
  const bool ambush = faults > 0 && random.Chance(40);
  for (int i = ambush; i < faults; ++i) DrawFault();
  if (ambush) DrawAmbush();
  if (random.Chance(20)) {
    world.schedule.At(random.Between(500, until / kMs) * kMs, [this] {
      const bool plan = world_.random.Chance(60);
      for (Host& host : world_.hosts) {
        if (plan) {
          host.ftd->Failover();
        } else {
          world_.excused = true;
          host.ftd->Disable();
        }
      }
    });
  }
  Operate();
}

void Mischief::Operate() {
  if (world_.now() > until_) return;
  for (Host& host : world_.hosts) host.ftd->Enable();
  world_.schedule.In(world_.random.Between(100, 600) * kMs,
                     [this] { Operate(); });
}

void Mischief::DrawFault() {
  Random& random = world_.random;
  const Time at = random.Chance(20)
                      ? random.Between(0, 700) * kMs
                      : random.Between(600, until_ / kMs - 2) * kMs;
  const int kind = static_cast<int>(random.Between(0, kFaultKinds - 1));
  const int host = static_cast<int>(random.Between(0, 1));
  const Time time =
      (random.Chance(30) ? random.Between(1, 150) : random.Between(100, 4000)) *
      kMs;
  world_.schedule.At(at + random.Between(0, 999) * kUs,
                     [this, kind, host, time] { Strike(kind, host, time); });
}

// One that waits for the protocol's next step, or the one after it, ...
void Mischief::DrawAmbush() {
  Random& random = world_.random;
  const auto note = static_cast<uint64_t>(random.Between(1, 14));
  const Time delay = random.Chance(50) ? random.Between(0, 500) * kUs
                                       : random.Between(0, 5000) * kUs;
  const int kind = static_cast<int>(random.Between(0, kFaultKinds - 1));
  const int host = static_cast<int>(random.Between(0, 1));
  const Time time = random.Between(1, 3000) * kMs;
  world_.Ambush(note, delay, [this, kind, host, time] {
    if (world_.now() < until_) Strike(kind, host, time);
  });
}

void Mischief::Strike(int kind, int host, Time time) {
  Random& random = world_.random;
  switch (kind) {
    case 0:
    case 1:
      return world_.KillEngine(host);
    case 2:
    case 3:
      world_.KillFtd(host);
      if (random.Chance(80)) {
        world_.schedule.In(time, [this, host] { world_.RestartFtd(host); });
      }
      return;
    case 4:
    case 5:
      world_.KillHost(host);
      if (random.Chance(50)) {
        world_.schedule.In(kSecond + time,
                           [this, host] { world_.BootHost(host); });
      }
      return;
    case 6:
    case 7:
      // Every fourth in a sleep that no signal ends; not another draw.
      return world_.FreezeEngine(host, time, time / kMs % 4 == 0);
    case 8:
    case 9:
      return world_.FreezeFtd(host, time);
    case 10:
    case 11:
      return world_.FreezeHost(host, time);
    case 12:
    case 13:
      return StrikeStore(random.Chance(50) ? 2 : host, time);
    default:
      return StrikeNetwork(kind, host, time);
  }
}

void Mischief::StrikeNetwork(int kind, int host, Time time) {
  Random& random = world_.random;
  world_.CountFault();
  switch (kind) {
    case 14:
      world_.network.Cut(0);
      world_.network.Cut(1);
      world_.Note(-1, "link cut for %1 ms", time / kMs);
      break;
    case 15:
      world_.network.Cut(host);
      world_.Note(host, "its packets get lost for %1 ms", time / kMs);
      break;
    case 16:
    case 17:
      world_.network.Storm(random.Between(5, 800) * kMs,
                           static_cast<int>(random.Between(0, 50)));
      world_.Note(-1, "storm for %1 ms", time / kMs);
      world_.schedule.In(time, [this] { world_.network.Storm(0, 0); });
      return;
    case 18: {
      Engine* engine = world_.hosts[host].engine;
      if (random.Chance(50) && engine != nullptr) {
        engine->slow = true;
        world_.Note(host, "replays slowly");
        return;
      }
      const PrimarySide* side = world_.hosts[host].ftd->primary();
      if (side != nullptr && side->connection() != nullptr) {
        world_.Note(-1, "the log connection is reset");
        world_.network.Reset(const_cast<Connection*>(side->connection()));
      }
      return;
    }
    default:
      world_.Isolate(host);
      world_.schedule.In(time, [this, host] {
        world_.hosts[host].carrier = true;
        world_.hosts[host].reaches_clients = true;
        world_.network.Heal();
      });
      return;
  }
  world_.schedule.In(time, [this] { world_.network.Heal(); });
}

void Mischief::StrikeStore(int host, Time time) {
  Random& random = world_.random;
  Store::Weather weather;
  switch (random.Between(0, 2)) {
    case 0:
      weather.unreachable = true;
      break;
    case 1:
      weather.loses_replies = true;
      break;
    default:
      weather.slow = random.Between(10, 1500) * kMs;
      break;
  }
  world_.CountFault();
  for (int each : {0, 1}) {
    if (host != 2 && host != each) continue;
    world_.Note(each, "the store is bad for %1 ms", time / kMs);
    world_.store.SetWeather(each, weather);
    world_.schedule.In(time,
                       [this, each] { world_.store.SetWeather(each, {}); });
  }
}

}  // namespace ft::sim
