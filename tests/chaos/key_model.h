// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a key does when one operation is executed alone: the sequential
// specification that linearizability.h compares a history with. States are
// numbers; equal numbers are equal states, exactly (nothing is hashed away):
// each value is numbered, and a list's state is a node of a tree whose path
// from the root is the list.
//
//     state 0: no such key        RPUSH a -> 1, RPUSH b on 1 -> 2: [a, b]
//
// For one key; registers and lists do not mix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/chaos/history.h"

namespace ft::chaos {

class KeyModel {
 public:
  using State = uint32_t;
  static constexpr State kInitial = 0;

  // An operation with its strings turned into numbers, to be applied often.
  struct Prepared {
    Kind kind = Kind::kGet;
    bool answered = false;
    // SET: the state afterwards. GET, RANGE: the only state that gives this
    // answer. PUSH: the number of the value.
    uint32_t number = 0;
    // PUSH: the length that was answered.
    uint64_t length = 0;
    // No execution gives this answer (a length that is no number).
    bool impossible = false;
  };

  // `operation` is of this model's key.
  Prepared Prepare(const Operation& operation);
  // The state after the operation was executed in `state`; nothing if it
  // would have answered something else.
  std::optional<State> Apply(const Prepared& operation, State state);
  // The last `count` elements of a list, or all.
  std::vector<std::string> Last(State state, size_t count) const;
  // For people: "v7", "[v1 v2] (2)" or "no such key". Only the last of a long
  // list.
  std::string Describe(State state, bool list) const;

 private:
  struct Node {
    State parent;
    uint32_t value;
    uint32_t depth;
  };

  uint32_t NumberOf(const std::string& value);
  State Child(State parent, uint32_t value);

  std::unordered_map<std::string, uint32_t> numbers_;
  std::vector<std::string> values_{""};  // by number; 0 is none
  std::unordered_map<uint64_t, State> children_;
  std::vector<Node> nodes_{{0, 0, 0}};  // by state, of a list
};

}  // namespace ft::chaos
