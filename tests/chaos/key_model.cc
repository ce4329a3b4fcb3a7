// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/chaos/key_model.h"

#include <algorithm>
#include <charconv>

namespace ft::chaos {

uint32_t KeyModel::NumberOf(const std::string& value) {
  const auto [it, added] =
      numbers_.try_emplace(value, static_cast<uint32_t>(values_.size()));
  if (added) values_.push_back(value);
  return it->second;
}

KeyModel::State KeyModel::Child(State parent, uint32_t value) {
  const uint64_t edge = uint64_t{parent} << 32 | value;
  const auto [it, added] =
      children_.try_emplace(edge, static_cast<State>(nodes_.size()));
  if (added) nodes_.push_back({parent, value, nodes_[parent].depth + 1});
  return it->second;
}

KeyModel::Prepared KeyModel::Prepare(const Operation& operation) {
  Prepared out;
  out.kind = operation.kind;
  out.answered = operation.outcome == Outcome::kAnswered;
  const std::vector<std::string>& result = operation.result;
  switch (operation.kind) {
    case Kind::kSet:
      out.number = NumberOf(operation.argument);
      break;
    case Kind::kGet:
      out.impossible = result.size() > 1;
      out.number = result.empty() ? kInitial : NumberOf(result.front());
      break;
    case Kind::kPush:
      out.number = NumberOf(operation.argument);
      if (out.answered) {
        const std::string text = result.empty() ? "" : result.front();
        const char* end = text.data() + text.size();
        const auto parsed = std::from_chars(text.data(), end, out.length);
        out.impossible =
            result.size() != 1 || parsed.ec != std::errc() || parsed.ptr != end;
      }
      break;
    case Kind::kRange:
      for (const std::string& value : result) {
        out.number = Child(out.number, NumberOf(value));
      }
      break;
  }
  return out;
}

std::optional<KeyModel::State> KeyModel::Apply(const Prepared& operation,
                                               State state) {
  if (operation.answered && operation.impossible) return std::nullopt;
  switch (operation.kind) {
    case Kind::kSet:
      return operation.number;
    case Kind::kGet:
    case Kind::kRange:
      if (operation.answered && operation.number != state) return std::nullopt;
      return state;
    case Kind::kPush:
      if (operation.answered && nodes_[state].depth + 1 != operation.length) {
        return std::nullopt;
      }
      return Child(state, operation.number);
  }
  return std::nullopt;
}

std::vector<std::string> KeyModel::Last(State state, size_t count) const {
  std::vector<std::string> last;
  for (; state != kInitial && last.size() < count;
       state = nodes_[state].parent) {
    last.push_back(values_[nodes_[state].value]);
  }
  std::ranges::reverse(last);
  return last;
}

std::string KeyModel::Describe(State state, bool list) const {
  if (state == kInitial) return list ? "[]" : "no such key";
  if (!list) return values_[state];
  constexpr size_t kShown = 6;
  const uint32_t length = nodes_[state].depth;
  std::string text = length > kShown ? "[.." : "[";
  for (const std::string& value : Last(state, kShown)) {
    text += (text == "[" ? "" : " ") + value;
  }
  return text + "] (" + std::to_string(length) + ")";
}

}  // namespace ft::chaos
