// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/history.h"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <fstream>
#include <stdexcept>

namespace ft::chaos {
namespace json = boost::json;

namespace {

template <typename Value>
struct Name {
  Value value;
  std::string_view name;
};

constexpr std::array<Name<Kind>, 4> kKinds = {{{Kind::kSet, "set"},
                                               {Kind::kGet, "get"},
                                               {Kind::kPush, "push"},
                                               {Kind::kRange, "range"}}};
constexpr std::array<Name<Outcome>, 2> kOutcomes = {
    {{Outcome::kAnswered, "answered"}, {Outcome::kUnknown, "unknown"}}};

template <typename Names>
std::string_view NameOf(const Names& names, auto value) {
  for (const auto& name : names) {
    if (name.value == value) return name.name;
  }
  return "?";
}

template <typename Names>
auto ValueOf(const Names& names, std::string_view text) {
  for (const auto& name : names) {
    if (name.name == text) return name.value;
  }
  throw std::runtime_error("\"" + std::string(text) +
                           "\" is no kind or outcome of an operation");
}

}  // namespace

std::string ToJsonLine(const Operation& operation) {
  const json::array result(operation.result.begin(), operation.result.end());
  const json::object line = {{"client", operation.client},
                             {"key", operation.key},
                             {"kind", NameOf(kKinds, operation.kind)},
                             {"argument", operation.argument},
                             {"result", result},
                             {"invoked_ns", operation.invoked_ns},
                             {"returned_ns", operation.returned_ns},
                             {"outcome", NameOf(kOutcomes, operation.outcome)}};
  return json::serialize(line);
}

Operation OperationFromJson(std::string_view line) {
  try {
    const json::object fields =
        json::parse(json::string_view(line)).as_object();
    Operation operation;
    operation.client = json::value_to<int>(fields.at("client"));
    operation.key = json::value_to<std::string>(fields.at("key"));
    operation.kind = ValueOf(kKinds, fields.at("kind").as_string());
    operation.argument = json::value_to<std::string>(fields.at("argument"));
    operation.result =
        json::value_to<std::vector<std::string>>(fields.at("result"));
    operation.invoked_ns = json::value_to<int64_t>(fields.at("invoked_ns"));
    operation.returned_ns = json::value_to<int64_t>(fields.at("returned_ns"));
    operation.outcome = ValueOf(kOutcomes, fields.at("outcome").as_string());
    return operation;
  } catch (const std::exception& error) {
    throw std::runtime_error(
        "no operation of a history: " + std::string(line.substr(0, 80)) + ": " +
        error.what());
  }
}

void WriteHistory(const std::string& path,
                  std::span<const Operation> operations) {
  std::ofstream file(path, std::ios::trunc);
  for (const Operation& operation : operations) {
    file << ToJsonLine(operation) << '\n';
  }
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

std::vector<Operation> ReadHistory(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be read");
  std::vector<Operation> operations;
  std::string line;
  while (std::getline(file, line)) {
    try {
      operations.push_back(OperationFromJson(line));
    } catch (const std::exception& error) {
      throw std::runtime_error(path + ":" +
                               std::to_string(operations.size() + 1) + ": " +
                               error.what());
    }
  }
  return operations;
}

}  // namespace ft::chaos
