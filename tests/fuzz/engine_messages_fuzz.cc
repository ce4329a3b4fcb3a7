// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the engine says on QMP: two messages, a line each.
//
// Promised: a message that lacks something is refused in one line that names
// the field; two machines are equal exactly where no difference is named.
#include "replay/engine_messages.h"

#include <algorithm>
#include <boost/json/parse.hpp>

#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::replay {
namespace {

namespace json = boost::json;

template <typename T>
void CheckOne(const Result<T>& result) {
  if (!result.ok()) fuzz::ExpectRefusal(result.status());
}

json::value ParseLine(std::string_view text) {
  boost::system::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  return error ? json::value() : value;
}

void CheckMessage(const json::value& message) {
  CheckOne(ParseEngineState(message));
  CheckOne(ParsePosition(message));
  CheckOne(ParseDigest(message));
  const json::object* data = message.if_object();
  if (data == nullptr) return;
  CheckOne(ParseCloneEvent(*data));
  CheckOne(ParseReplicaEvent(*data));
  CheckOne(ParseLiveEvent(*data));
  (void)ParseDivergence(*data);
}

}  // namespace

FT_FUZZ_TARGET(engine_messages, input) {
  const std::string_view text = fuzz::AsText(input);
  const size_t end = std::min(text.find('\n'), text.size());
  const json::value one = ParseLine(text.substr(0, end));
  const json::value other = ParseLine(text.substr(end));
  CheckMessage(one);
  CheckMessage(other);
  const auto a = ParseDigest(one), b = ParseDigest(other);
  if (!a.ok() || !b.ok()) return;
  FT_CHECK(FirstDifference(*a, *b).empty() == (*a == *b))
      << FirstDifference(*a, *b);
  FT_CHECK(FirstDifference(*a, *a).empty()) << FirstDifference(*a, *a);
}

}  // namespace ft::replay
