// SPDX-License-Identifier: GPL-2.0-or-later
#include "replay/log_scan.h"

namespace ft::replay {

Result<std::unique_ptr<LogScan>> LogScan::Open(const std::string& path) {
  auto reader = logchannel::ArchivedLogReader::Open(path);
  if (!reader.ok()) return reader.status();
  return std::unique_ptr<LogScan>(new LogScan(std::move(*reader)));
}

LogScan::LogScan(std::unique_ptr<logchannel::ArchivedLogReader> reader)
    : reader_(std::move(reader)), position_(reader_->head().first()) {}

bool LogScan::NextEntry() {
  if (damage_ || !FinishEntry()) return false;
  auto entry = walker_.Next();
  while (!entry) {
    chunk_ = reader_->Next();
    if (!chunk_) {
      damage_ = reader_->damage();
      status_ = reader_->status();
      return false;
    }
    walker_ = logchannel::EntryWalker(chunk_->entries, chunk_->first);
    entry = walker_.Next();
  }
  entry_ = *entry;
  position_ = walker_.position();
  decoder_.Begin(entry_);
  return true;
}

std::optional<LogEvent> LogScan::NextEvent() {
  if (damage_) return std::nullopt;
  auto event = decoder_.Next();
  if (event || decoder_.status().ok()) return event;
  damage_ = {.offset = chunk_->offset,
             .what = decoder_.status().message(),
             .position = entry_.position};
  status_ = Status::Invalid(
      reader_->path() + " is damaged in the chunk at offset " +
          std::to_string(damage_->offset) + ": " + damage_->what,
      "what is before position " + std::to_string(damage_->position) +
          " is readable");
  return std::nullopt;
}

bool LogScan::FinishEntry() {
  while (NextEvent()) {
  }
  return !damage_;
}

}  // namespace ft::replay
