// SPDX-License-Identifier: GPL-2.0-or-later
//
// Clients: each has one write under way, repeats it until it is answered,
// and remembers every answer. What an answer claims is checked against all
// answers that any client ever had.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tests/sim/engine.h"

namespace ft::sim {

struct Answer;
class World;

class Clients {
 public:
  explicit Clients(World& world) : world_(world) {}

  void Begin();
  void OnAnswer(const Answer& answer);

  // Answered writes of all clients.
  uint64_t answered() const { return answered_; }

 private:
  struct Client {
    uint64_t number = 0;  // of the write under way; grows
    bool waiting = false;
    Time asked = 0;
  };
  void Write(int client);
  void Ask(int client, uint64_t number);

  World& world_;
  std::array<Client, kClients> clients_;
  uint64_t answered_ = 0;
};

}  // namespace ft::sim
