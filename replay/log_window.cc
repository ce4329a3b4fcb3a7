// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_window.h"

#include "replay/log_scan.h"

namespace ft::replay {
namespace {

// All that end after `from` and begin before `to`.
Result<LogEntryText> EntriesWithin(const std::string& log_path, uint64_t from,
                                   uint64_t to) {
  auto scan = LogScan::Open(log_path);
  if (!scan.ok()) return scan.status();
  LogEntryText text;
  while ((*scan)->position() < to && (*scan)->NextEntry()) {
    if ((*scan)->position() > from) {
      if (text.entries++ == 0) {
        text.position = (*scan)->entry().position;
        text.instruction = (*scan)->instructions();
      }
      text.end = (*scan)->position();
      while (auto event = (*scan)->NextEvent()) {
        text.events.push_back(Summary(*event));
      }
    }
  }
  if (auto status = (*scan)->status(); !status.ok()) return status;
  if (text.end >= to && text.entries > 0) return text;
  return Status::Invalid(log_path + " has no entry at position " +
                         std::to_string(to));
}

}  // namespace

Result<LogWindow> WindowOf(const std::string& log_path, double share,
                           uint64_t instructions) {
  auto whole = LogScan::Open(log_path);
  if (!whole.ok()) return whole.status();
  while ((*whole)->NextEntry()) {
  }
  if (auto status = (*whole)->status(); !status.ok()) return status;
  const auto begin = static_cast<uint64_t>(
      static_cast<double>((*whole)->instructions()) * share);
  auto scan = LogScan::Open(log_path);
  if (!scan.ok()) return scan.status();
  LogWindow window = {.from = UINT64_MAX, .to = UINT64_MAX};
  uint64_t at = 0;
  while ((*scan)->NextEntry()) {
    const uint64_t position = (*scan)->entry().position;
    if (window.from == UINT64_MAX && at >= begin) window.from = position;
    while ((*scan)->NextEvent()) {
    }
    at = (*scan)->instructions();
    window.to = (*scan)->position();
    if (at >= begin && at - begin >= instructions) break;
  }
  if (window.from == UINT64_MAX) window.from = window.to;
  return window;
}

Result<LogEntryText> EntryEndingAt(const std::string& log_path, uint64_t end) {
  return EntriesWithin(log_path, end == 0 ? 0 : end - 1, end);
}

Result<LogEntryText> EntriesSinceState(const std::string& log_path,
                                       uint64_t position, bool at_state) {
  auto scan = LogScan::Open(log_path);
  if (!scan.ok()) return scan.status();
  // Ends of entries. The machine was the recorded one where the log begins.
  const uint64_t first = (*scan)->head().first();
  uint64_t last = first, previous = first;
  while ((*scan)->position() < position && (*scan)->NextEntry()) {
    const uint64_t end = (*scan)->position();
    while (auto event = (*scan)->NextEvent()) {
      if (event->kind != EventKind::kState || last == end ||
          event->position + event->bytes > position) {
        continue;
      }
      previous = last;
      last = end;
    }
  }
  if (auto status = (*scan)->status(); !status.ok()) return status;
  if (last == first) {
    return Status::Invalid(log_path + " has no digests of the whole machine");
  }
  return at_state ? EntriesWithin(log_path, previous, last)
                  : EntriesWithin(log_path, last, position);
}

Result<std::vector<uint64_t>> EntryEnds(const std::string& log_path,
                                        uint64_t from, uint64_t to) {
  auto scan = LogScan::Open(log_path);
  if (!scan.ok()) return scan.status();
  std::vector<uint64_t> ends;
  while ((*scan)->position() < to && (*scan)->NextEntry()) {
    const uint64_t end = (*scan)->position();
    if (end > from && end <= to) ends.push_back(end);
  }
  if (auto status = (*scan)->status(); !status.ok()) return status;
  return ends;
}

}  // namespace ft::replay
