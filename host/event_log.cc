// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/event_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "host/vm_state.h"
#include "logchannel/one_line.h"
#include "replay/whole_number.h"

namespace ft::host {
namespace json = boost::json;

std::string ToJsonLine(const Event& event) {
  json::object line;
  line["time"] = IsoTime(event.wall_clock_ms);
  line["time_ms"] = event.wall_clock_ms;
  line["vm"] = event.vm;
  line["epoch"] = event.epoch;
  line["event"] = event.kind;
  line["text"] = event.text;
  return json::serialize(line);
}

bool FromJsonLine(const std::string& line, Event* event) {
  boost::system::error_code error;
  json::value value = json::parse(line, error);
  if (error || !value.is_object()) return false;
  const json::object& object = value.get_object();
  const json::value* time = object.if_contains("time_ms");
  const json::value* vm = object.if_contains("vm");
  const json::value* epoch = object.if_contains("epoch");
  const json::value* kind = object.if_contains("event");
  const json::value* text = object.if_contains("text");
  bool complete = time && time->is_int64() && vm && vm->is_string() && epoch &&
                  kind && kind->is_string() && text && text->is_string();
  if (!complete) return false;
  auto number = replay::WholeNumber<uint64_t>(*epoch);
  if (!number) return false;
  event->wall_clock_ms = time->get_int64();
  event->vm = std::string(vm->get_string());
  event->epoch = *number;
  event->kind = std::string(kind->get_string());
  event->text = std::string(text->get_string());
  return true;
}

EventLog::~EventLog() {
  if (fd_ >= 0) close(fd_);
}

Status EventLog::Open() {
  LoadRings();
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd_ < 0) {
    return Status::Invalid(
        fmt::format("cannot write {}: {}", path_, std::strerror(errno)),
        "make state_dir writable for ftd");
  }
  struct stat info;
  file_bytes_ =
      fstat(fd_, &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
  return Status::Ok();
}

void EventLog::LoadRings() {
  std::ifstream in(path_);
  std::string line;
  Event event;
  while (std::getline(in, line)) {
    if (FromJsonLine(line, &event)) Keep(event);
  }
}

void EventLog::Keep(Event event) {
  std::deque<Event>& ring = rings_[event.vm];
  if (ring.size() == kEventsPerVm) ring.pop_front();
  ring.push_back(std::move(event));
}

void EventLog::RotateIfLarge() {
  if (file_bytes_ < kFileBytesMax) return;
  close(fd_);
  std::rename(path_.c_str(), (path_ + ".old").c_str());
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  file_bytes_ = 0;
}

void EventLog::Add(Event event) {
  if (event.wall_clock_ms == 0) event.wall_clock_ms = WallClockMs();
  event.text = OneLine(event.text);  // a peer's words may be in it
  spdlog::info("{}: {}: {} (epoch {})", event.vm, event.kind, event.text,
               event.epoch);
  std::string line = ToJsonLine(event) + "\n";
  Keep(std::move(event));
  if (fd_ < 0) return;
  if (write(fd_, line.data(), line.size()) < 0) {
    spdlog::warn("{}: {}", path_, std::strerror(errno));
    return;
  }
  file_bytes_ += line.size();
  RotateIfLarge();
}

std::vector<Event> EventLog::Events(const std::string& vm, size_t limit) const {
  auto found = rings_.find(vm);
  if (found == rings_.end()) return {};
  const std::deque<Event>& ring = found->second;
  size_t skipped = ring.size() > limit ? ring.size() - limit : 0;
  return {ring.begin() + static_cast<std::ptrdiff_t>(skipped), ring.end()};
}

}  // namespace ft::host
