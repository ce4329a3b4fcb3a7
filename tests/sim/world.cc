// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/world.h"

#include "tests/sim/backup_side.h"
#include "tests/sim/primary_side.h"
#include "tests/sim/recovery_side.h"

namespace ft::sim {

using fencing::Invariant;

World::World(const Options& run)
    : options(run),
      random(run.seed),
      network(*this),
      store(*this),
      hosts{Host{"hostA", Clock(random), nullptr},
            Host{"hostB", Clock(random), nullptr}},
      clients(*this) {
  for (int host : {0, 1}) {
    hosts[host].ftd = std::make_unique<Ftd>(*this, host);
    hosts[host].ftd->Start();
  }
  // hostA runs the VM, in epoch 1.
  store.Begin(0);
  invariants.OnLive(0, 1);
  LaunchEngine(0)->StartVm(1);
  hosts[0].ftd->EndSide({.runs = true, .epoch = 1, .why = "VM started"});
  clients.Begin();
}

World::~World() = default;

// --- Running.

bool World::Step() {
  schedule.Step();
  CheckPositions();
  return !violation();
}

bool World::RunUntil(Time end) {
  while (!schedule.empty() && schedule.next() <= end) {
    if (!Step()) return false;
  }
  return true;
}

// Both sides of a pair, each as it knows itself.
void World::CheckPositions() {
  for (int host : {0, 1}) {
    const PrimarySide* primary = hosts[host].ftd->primary();
    const BackupSide* backup = hosts[1 - host].ftd->backup();
    if (primary == nullptr || backup == nullptr ||
        primary->connection() != backup->connection() ||
        !backup->entitlement().following() ||
        primary->phase() < PrimarySide::Phase::kCatchingUp) {
      continue;
    }
    invariants.OnPositions(
        primary->epoch(), {.committed = hosts[host].engine->committed(),
                           .sent = primary->protection().sent(),
                           .received = backup->entitlement().received(),
                           .replayed = hosts[1 - host].engine->consumed(),
                           .heard_received = primary->protection().received(),
                           .heard_replayed = primary->protection().replayed()});
  }
}

void World::Heal() {
  ambush_at_ = 0;
  for (Host& host : hosts) {
    host.carrier = host.reaches_clients = true;
    if (host.engine != nullptr) host.engine->slow = false;
  }
  for (int host : {0, 1}) store.SetWeather(host, {});
  network.Storm(0, 0);
  network.Heal();
  Note(-1, "faults end");
}

Time World::thawed_at() const {
  Time latest = now();
  for (const Host& host : hosts) {
    latest = std::max(
        {latest, host.kernel_frozen_until, host.ftd->process.frozen_until});
    if (host.engine != nullptr) {
      latest = std::max(latest, host.engine->process.frozen_until);
    }
  }
  return latest;
}

const Engine* World::serving() const {
  const Host& host = hosts[invariants.newest_host()];
  const Engine* engine = host.engine;
  if (engine == nullptr || !engine->running()) return nullptr;
  if (engine->serves()) return engine;
  const PrimarySide* primary = host.ftd->primary();
  const bool whole = engine->mode() == Engine::Mode::kRecording &&
                     primary != nullptr && primary->is_protected() &&
                     primary->phase() == PrimarySide::Phase::kWatching;
  return whole ? engine : nullptr;
}

void World::Stuck(const char* what) {
  if (!stuck_) stuck_ = fencing::Violation{Invariant::kI8, what};
}

void World::Judge() {
  if (violation()) return;
  const uint64_t answered = clients.answered();
  if (!RunFor(700 * kMs)) return;
  if (serving() == nullptr) {
    // Perhaps it is only just deciding.
    RunUntilHolds([this] { return serving() != nullptr; }, 8 * kSecond);
    if (violation()) return;
  }
  const Engine* engine = serving();
  if (engine != nullptr) {
    invariants.OnHistory(engine->host, engine->history());
    if (clients.answered() == answered) Stuck("live, and answers nobody");
    return;
  }
  for (const Host& host : hosts) {
    if (!host.ftd->process.alive) continue;
    // A backup that died without a word is awaited for 15 s.
    const PrimarySide* primary = host.ftd->primary();
    const bool greets =
        primary != nullptr && primary->phase() == PrimarySide::Phase::kGreeting;
    if (!host.ftd->idle() && !greets) {
      Stuck("stuck: a side never comes to an end");
    }
    if (host.engine != nullptr && host.engine->running()) {
      Stuck("stuck: an engine runs that nobody owns");
    }
  }
  if (survives_one_fault_ && faults_ <= 1 && !excused) {
    Stuck("the VM was lost by a single failure");
  }
}

void World::CountFault() {
  if (faults_++ == 0) {
    survives_one_fault_ = protected_epoch_ == invariants.newest_epoch();
  }
}

// --- Faults.

void World::KillEngine(int host) {
  CountFault();
  if (hosts[host].engine != nullptr) hosts[host].engine->Die("engine killed");
}

void World::KillFtd(int host) {
  CountFault();
  Note(host, "ftd killed");
  hosts[host].ftd->Crash();
}

void World::RestartFtd(int host) {
  if (hosts[host].powered && !hosts[host].ftd->process.alive) {
    hosts[host].ftd->Start();
  }
}

void World::KillHost(int host) {
  CountFault();
  Note(host, "power lost");
  Host& it = hosts[host];
  it.powered = false;
  network.LosePower(host);
  it.ftd->Crash();
  it.ftd->LosePower();
  if (it.engine != nullptr) it.engine->Die("engine lost with its host");
}

void World::BootHost(int host) {
  if (hosts[host].powered) return;
  hosts[host].powered = true;
  RestartFtd(host);
}

void World::FreezeEngine(int host, Time time, bool uninterruptible) {
  CountFault();
  Note(host, "engine stopped for %1 ms", time / kMs);
  Engine* engine = hosts[host].engine;
  if (engine != nullptr) {
    engine->uninterruptible = uninterruptible;
    engine->process.frozen_until =
        std::max(engine->process.frozen_until, now() + time);
  }
}

void World::FreezeFtd(int host, Time time) {
  CountFault();
  Note(host, "ftd stopped for %1 ms", time / kMs);
  Process& process = hosts[host].ftd->process;
  process.frozen_until = std::max(process.frozen_until, now() + time);
}

void World::FreezeHost(int host, Time time) {
  FreezeFtd(host, time);
  FreezeEngine(host, time);
  --faults_;  // it is one
  Note(host, "host stands still for %1 ms", time / kMs);
  hosts[host].kernel_frozen_until =
      std::max(hosts[host].kernel_frozen_until, now() + time);
  // Its TCP takes up again where it stood.
  schedule.In(time, [this] { network.Resume(); });
}

void World::Isolate(int host) {
  CountFault();
  Note(host, "isolated, without carrier");
  hosts[host].carrier = hosts[host].reaches_clients = false;
  network.Cut(0);
  network.Cut(1);
}

// --- What parts of the world tell.

Engine* World::LaunchEngine(int host) {
  engines_.push_back(std::make_unique<Engine>(*this, host));
  hosts[host].engine = engines_.back().get();
  return engines_.back().get();
}

void World::OnOutput(int host, const Engine& engine, uint64_t tag, bool held,
                     const Answer& answer) {
  trace.Digest(now(), host, tag);
  invariants.OnOutput(host, engine.epoch(), tag, held);
  invariants.OnAnswer(host, {.place = answer.place, .content = answer.content});
  if (invariants.violation() && !told_) {
    told_ = true;
    Note(host, "an output leaves, of %1", tag);
  }
  if (!hosts[host].reaches_clients) return;
  schedule.In(random.Between(50, 200) * kUs,
              [this, answer] { clients.OnAnswer(answer); });
}

void World::OnEngineLive(int host, const Engine& engine) {
  Note(host, "live in epoch %1 from %2", engine.epoch(), engine.consumed());
  invariants.OnConsumedAll(host, engine.epoch() - 1, engine.consumed());
  invariants.OnLive(host, engine.epoch());
  invariants.OnHistory(host, engine.history());
}

void World::OnUnprotected(int host, const Engine& engine) {
  Note(host, "runs unprotected in epoch %1", engine.epoch());
  invariants.OnLive(host, engine.epoch());
  invariants.OnHistory(host, engine.history());
}

void World::EngineAnswers(int host, uint64_t side, Engine::Command command,
                          uint64_t answer) {
  Ftd* ftd = hosts[host].ftd.get();
  if (!ftd->process.alive) return;
  schedule.In(ftd->process, 100 * kUs, [ftd, side, command, answer] {
    ftd->OnEngineAnswer(side, command, answer);
  });
}

void World::OnProtected(int host, uint64_t epoch) {
  if (protected_epoch_ != epoch) Note(host, "says that it is protected");
  protected_epoch_ = epoch;
}

}  // namespace ft::sim
