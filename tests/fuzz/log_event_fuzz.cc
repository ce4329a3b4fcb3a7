// SPDX-License-Identifier: GPL-2.0-or-later
//
// The decoder of log events: the payload of one log entry, as `ftctl log`
// meets it in a file that may be damaged.
//
// Promised: nothing outside the entry is read; each event moves forward; their
// sizes and the error's position add up; every event can be put in words.
#include "logchannel/check.h"
#include "replay/log_decoder.h"
#include "replay/log_statistics.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::replay {
namespace {

constexpr uint64_t kPosition = 1000;

void CheckEvent(const LogEvent& event, fuzz::Input payload) {
  const fuzz::Input rest = payload.subspan(event.position - kPosition -
                                           logchannel::kEntryHeaderBytes);
  FT_CHECK(event.bytes > 0 && event.bytes <= rest.size()) << event.bytes;
  if (!event.data.empty()) {
    const auto* end = rest.data() + event.bytes;
    FT_CHECK(event.data.data() >= rest.data() &&
             event.data.data() + event.data.size() == end)
        << Name(event.kind);
  }
  FT_CHECK(fuzz::IsOneLine(Summary(event))) << Summary(event);
  for (size_t i = 0; i < PageSums(event); ++i) (void)PageSumAt(event, i);
  for (size_t i = 0; i < DeviceSums(event); ++i) (void)DeviceSumAt(event, i);
}

}  // namespace

FT_FUZZ_TARGET(log_event, input) {
  const logchannel::LogEntry entry = {.position = kPosition, .payload = input};
  LogDecoder decoder;
  LogStatistics statistics;
  decoder.Begin(entry);
  statistics.BeginEntry(entry, 0);
  uint64_t due = kPosition + logchannel::kEntryHeaderBytes;
  while (const auto event = decoder.Next()) {
    FT_CHECK(event->position == due) << event->position << ", due " << due;
    CheckEvent(*event, input);
    statistics.Add(*event);
    due += event->bytes;
  }
  statistics.Finish();
  FT_CHECK(statistics.instructions() == decoder.instructions());
  (void)statistics.seconds();
  if (decoder.status().ok()) {
    FT_CHECK(due == kPosition + logchannel::kEntryHeaderBytes + input.size());
    return;
  }
  fuzz::ExpectRefusal(decoder.status());
  FT_CHECK(decoder.status().message().ends_with(std::to_string(due)));
  FT_CHECK(!decoder.Next()) << "a refused entry went on";
}

}  // namespace ft::replay
