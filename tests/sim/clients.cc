// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/sim/clients.h"

#include "tests/sim/world.h"

namespace ft::sim {
namespace {

constexpr Time kAskAgain = 200 * kMs;

}  // namespace

void Clients::Begin() {
  for (int client = 0; client < kClients; ++client) Write(client);
}

void Clients::Write(int client) {
  const Time pause = world_.random.Between(5, 150) * kMs;
  world_.schedule.In(pause, [this, client] {
    Client& it = clients_[client];
    it.waiting = true;
    Ask(client, ++it.number);
  });
}

// To every engine behind a link: who answers is the engines' business.
void Clients::Ask(int client, uint64_t number) {
  Client& it = clients_[client];
  if (!it.waiting || it.number != number) return;
  for (Host& host : world_.hosts) {
    Engine* engine = host.engine;
    if (engine == nullptr || !engine->running() || !host.reaches_clients ||
        !host.kernel_runs(world_.now())) {
      continue;
    }
    world_.schedule.In(
        engine->process, world_.random.Between(50, 200) * kUs,
        [engine, client, number] { engine->OnRequest(client, number); });
  }
  world_.schedule.In(kAskAgain,
                     [this, client, number] { Ask(client, number); });
}

void Clients::OnAnswer(const Answer& answer) {
  Client& it = clients_[answer.client];
  if (!it.waiting || it.number != answer.number) return;
  it.waiting = false;
  ++answered_;
  Write(answer.client);
}

}  // namespace ft::sim
