// SPDX-License-Identifier: GPL-2.0-or-later
//
// A history: what some clients asked of one Redis, what it answered, and
// when. It is the evidence that linearizability.h judges. Every failure of a
// failover that a client can see is in it: a write that was acknowledged and
// lost, one that was executed twice, an answer out of an older state.
//
// On disk a history is JSON lines, one operation each, in any order:
//
//   {"client":0,"key":"s3:r1","kind":"set","argument":"v41","result":[],
//    "invoked_ns":8123456789,"returned_ns":8123900000,"outcome":"answered"}
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ft::chaos {

enum class Kind {
  kSet,    // SET: the register's value becomes `argument`
  kGet,    // GET: `result` is empty (no such key) or the value
  kPush,   // RPUSH: `argument` is appended; `result` is the new length
  kRange,  // LRANGE 0 -1: `result` is the whole list
};

enum class Outcome {
  // The answer came: the operation took effect between the two times.
  kAnswered,
  // The connection died before the answer: the operation may have taken
  // effect at any time after its invocation, or never.
  kUnknown,
};

struct Operation {
  // Of each client the next operation is invoked after the one before has
  // returned; the checker does not rely on it.
  int client = 0;
  // A register or a list, never both.
  std::string key{};
  Kind kind = Kind::kGet;
  // What a SET or RPUSH writes; unique in the history, so that whoever reads
  // a violation sees at once which write is meant. Else empty.
  std::string argument{};
  // As at `Kind`. Meaningless if unknown.
  std::vector<std::string> result{};
  // CLOCK_MONOTONIC of one machine: before the request was handed to the
  // kernel, after the answer was read from it. Meaningless if unknown: when
  // it returned.
  int64_t invoked_ns = 0;
  int64_t returned_ns = 0;
  Outcome outcome = Outcome::kAnswered;

  bool operator==(const Operation&) const = default;
};

std::string ToJsonLine(const Operation& operation);
// Throws std::runtime_error, one line, for anything but an operation.
Operation OperationFromJson(std::string_view line);

// Throw std::runtime_error naming the file (and the line).
void WriteHistory(const std::string& path,
                  std::span<const Operation> operations);
std::vector<Operation> ReadHistory(const std::string& path);

}  // namespace ft::chaos
