// SPDX-License-Identifier: GPL-2.0-or-later
//
// EventLog: what happened to the VMs of this host, one JSON object per line
// of state_dir/events.jsonl and the last 1000 of each VM in memory for
// `ftctl events`. An event is a change that an operator may be asked about
// later (a state change, a lost peer, a won test-and-set), not a measurement.
//
//     {"time":"2026-11-21T07:45:57.123Z","vm":"vm1","epoch":2,
//      "event":"state","text":"protected -> need-backup (host-failure)"}
//
// The file is appended to, never read back by a running ftd except once, at
// start, to fill the rings. A torn last line is skipped.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "logchannel/status.h"

namespace ft::host {

struct Event {
  int64_t wall_clock_ms = 0;
  std::string vm;
  uint64_t epoch = 0;
  std::string kind;  // "state", "clone", "fencing", "handover", ...
  std::string text;  // one line
};

class EventLog {
 public:
  // 1000 events of about 150 bytes: 150 kB for a VM that has a bad day.
  static constexpr size_t kEventsPerVm = 1000;
  // The file is renamed to *.old when it has grown to this.
  static constexpr uint64_t kFileBytesMax = 64u << 20;

  explicit EventLog(std::string path) : path_(std::move(path)) {}
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Opens the file for appending and fills the rings from it.
  Status Open();
  // Keeps, writes and logs the event. A full disk costs the line in the file,
  // never the VM.
  void Add(Event event);
  // Oldest first; at most `limit`.
  std::vector<Event> Events(const std::string& vm, size_t limit) const;
  void Forget(const std::string& vm) { rings_.erase(vm); }

 private:
  void Keep(Event event);
  void LoadRings();
  void RotateIfLarge();

  std::string path_;
  int fd_ = -1;
  uint64_t file_bytes_ = 0;
  std::map<std::string, std::deque<Event>> rings_;
};

// One line of JSON, without the newline, and back (false: not an event).
std::string ToJsonLine(const Event& event);
bool FromJsonLine(const std::string& line, Event* event);

}  // namespace ft::host
