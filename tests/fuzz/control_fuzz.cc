// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control socket: whoever may open it sends lines.
//
// Promised: lines are cut the same however they arrive; what is no request is
// refused in one line; a request has a verb; a member of another type counts as
// missing; answers are one line each, whatever of a request is in them.
#include <algorithm>

#include "host/control_protocol.h"
#include "logchannel/check.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::host {
namespace {

struct Lines {
  std::vector<std::string> lines;
  Status end;
};

Lines Cut(std::string_view stream, size_t step) {
  Lines cut;
  LineReader reader;
  while (!stream.empty()) {
    reader.Add(stream.substr(0, step));
    stream.remove_prefix(std::min(step, stream.size()));
    for (;;) {
      auto line = reader.Next();
      if (!line.ok()) {
        cut.end = line.status();
        return cut;
      }
      if (!line->has_value()) break;
      FT_CHECK((*line)->size() <= kRequestBytesMax) << (*line)->size();
      cut.lines.push_back(std::move(**line));
    }
  }
  return cut;
}

void ExpectOneAnswer(const std::string& answer) {
  FT_CHECK(answer.find('\n') == answer.size() - 1) << answer;
}

void CheckLine(const std::string& line) {
  auto request = ParseRequest(line);
  if (!request.ok()) return fuzz::ExpectRefusal(request.status());
  const std::string verb = TextOf(*request, "verb");
  FT_CHECK(!verb.empty());
  (void)TextOf(*request, "vm");
  const auto limit = IntegerWithin(*request, "limit", 1000, 1, 2000);
  if (!limit.ok()) fuzz::ExpectRefusal(limit.status());
  fuzz::ExpectRefusal(
      Status::Invalid("ftd knows no verb " + verb, TextOf(*request, "text")));
  ExpectOneAnswer(FormatProgress(verb, TextOf(*request, "text")));
  ExpectOneAnswer(FormatResult(*std::move(request)));
}

}  // namespace

FT_FUZZ_TARGET(control, input) {
  const auto stream = fuzz::AsText(input);
  const Lines whole = Cut(stream, 4096);
  const Lines bytes = Cut(stream, 1);
  FT_CHECK(whole.lines == bytes.lines);
  FT_CHECK(whole.end.ToString() == bytes.end.ToString());
  if (!whole.end.ok()) fuzz::ExpectRefusal(whole.end);
  for (const std::string& line : whole.lines) CheckLine(line);
  // The last one may lack its newline.
  CheckLine(std::string(stream.substr(stream.rfind('\n') + 1)));
}

}  // namespace ft::host
