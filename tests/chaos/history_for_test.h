// SPDX-License-Identifier: GPL-2.0-or-later
//
// Histories for tests of the checker: written by hand, or simulated, which
// are right by construction.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/chaos/history.h"

namespace ft::chaos {

// Reads as a table: client, key, what it wrote or read, from, to.
class Told {
 public:
  Told& Set(int client, const char* value, int64_t from, int64_t to) {
    return Add({client, "r", Kind::kSet, value, {}, from, to});
  }
  Told& Get(int client, const char* value, int64_t from, int64_t to) {
    return Add({client, "r", Kind::kGet, "", {value}, from, to});
  }
  Told& GetNothing(int client, int64_t from, int64_t to) {
    return Add({client, "r", Kind::kGet, "", {}, from, to});
  }
  Told& Push(int client, const char* value, int length, int64_t from,
             int64_t to) {
    return Add(
        {client, "l", Kind::kPush, value, {std::to_string(length)}, from, to});
  }
  Told& Range(int client, std::vector<std::string> values, int64_t from,
              int64_t to) {
    return Add({client, "l", Kind::kRange, "", std::move(values), from, to});
  }
  // The last one never got its answer.
  Told& Unanswered() {
    history_.back().outcome = Outcome::kUnknown;
    return *this;
  }

  const std::vector<Operation>& history() const { return history_; }
  operator const std::vector<Operation>&() const { return history_; }

 private:
  Told& Add(Operation operation) {
    history_.push_back(std::move(operation));
    return *this;
  }

  std::vector<Operation> history_;
};

struct SimulationOptions {
  uint64_t seed = 1;
  int clients = 4;
  int keys = 30;         // each third one a list
  int operations = 100;  // of all clients together
  int list_length = 40;  // a list that is longer is left for a new one
  double unknown = 0;    // share of operations without an answer
};

// Clients that take turns at a machine which never fails: each operation
// takes effect at one moment, drawn between its invocation and its return.
// An unknown one may take effect long after, or never; its client is another
// from then on.
class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : options_(options), random_(options.seed) {}

  std::vector<Operation> Run() {
    std::vector<Due> due;
    std::vector<int64_t> free_at(static_cast<size_t>(options_.clients), 0);
    for (int i = 0; i < options_.operations; ++i) {
      const auto client = std::ranges::min_element(free_at);
      Due next = Draw(static_cast<int>(client - free_at.begin()), *client);
      *client = next.operation.returned_ns + Below(50);
      due.push_back(std::move(next));
    }
    std::ranges::sort(due, {}, &Due::effect_ns);
    std::vector<Operation> history;
    for (Due& each : due) {
      if (each.effect_ns != INT64_MAX) TakeEffect(each.operation);
      history.push_back(std::move(each.operation));
    }
    std::ranges::shuffle(history, random_);
    return history;
  }

 private:
  struct Due {
    int64_t effect_ns;
    Operation operation;
  };

  int64_t Below(int64_t n) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(n));
  }

  Due Draw(int client, int64_t free_at) {
    Due due;
    Operation& o = due.operation;
    const int key = static_cast<int>(Below(options_.keys));
    const bool list = key % 3 == 2;
    const bool write = Below(2) == 0;
    o.client = client;
    o.kind = list ? (write ? Kind::kPush : Kind::kRange)
                  : (write ? Kind::kSet : Kind::kGet);
    if (write) o.argument = "v" + std::to_string(++values_);
    o.key = (list ? "l" : "r") + std::to_string(key);
    if (list) {
      int& used = list_uses_[key];
      o.key += "." + std::to_string(used++ / options_.list_length);
    }
    o.invoked_ns = free_at;
    o.returned_ns = free_at + 1 + Below(100);
    due.effect_ns = o.invoked_ns + Below(o.returned_ns - o.invoked_ns + 1);
    if (static_cast<double>(Below(1'000'000)) < options_.unknown * 1e6) {
      o.outcome = Outcome::kUnknown;
      due.effect_ns = Below(2) ? INT64_MAX : o.invoked_ns + Below(2000);
    }
    return due;
  }

  void TakeEffect(Operation& o) {
    std::vector<std::string>& state = state_[o.key];
    switch (o.kind) {
      case Kind::kSet:
        state = {o.argument};
        break;
      case Kind::kPush:
        state.push_back(o.argument);
        o.result = {std::to_string(state.size())};
        break;
      case Kind::kGet:
      case Kind::kRange:
        o.result = state;
        break;
    }
  }

  const SimulationOptions options_;
  std::mt19937_64 random_;
  int values_ = 0;
  std::map<int, int> list_uses_;
  std::map<std::string, std::vector<std::string>> state_;
};

}  // namespace ft::chaos
