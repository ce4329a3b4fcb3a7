// SPDX-License-Identifier: GPL-2.0-or-later
//
// LogRecorder: makes a recording (recording.h) of a running engine.
//
//     engine --clone--> snapshot            Begin()
//     engine's ring --Carry--> log.ftlog    until Stop()
//
// It is the engine's backup as far as the engine can tell: entries are
// acknowledged once they are appended to the log. Used from one thread, that
// of the engine; the owner spawns Carry() and outlives it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "logchannel/archived_log.h"
#include "logchannel/ring_doorbell.h"
#include "replay/engine.h"
#include "replay/recording.h"

namespace ft::replay {

class LogRecorder {
 public:
  // `directory` exists and is empty. Engine and bell outlive the recorder.
  LogRecorder(Engine& engine, logchannel::RingDoorbell& bell,
              const std::string& directory, std::string why);
  LogRecorder(const LogRecorder&) = delete;
  LogRecorder& operator=(const LogRecorder&) = delete;

  // The snapshot; the log is kept from its position on, with digests of
  // everything (LogRing::SetDenseDigests) if it shall be `dense`. Nothing is
  // left in the engine on errors.
  boost::asio::awaitable<Result<CloneResult>> Begin(
      std::chrono::milliseconds timeout, bool dense = false);
  // After Begin(). Ends after Stop(), or when the log cannot be written.
  boost::asio::awaitable<void> Carry();
  void Stop();

  // The end of what is in the log.
  uint64_t carried() const { return log_ ? log_->end() : 0; }
  // What was wrong with the log.
  const Status& status() const { return status_; }
  // The digest of the engine at a position that was carried.
  Status Mark(const MachineDigest& digest) {
    return recording_.AddMark(digest);
  }
  // After Carry() has ended: the log gets its end.
  Status Finish();

  const Recording& recording() const { return recording_; }

 private:
  boost::asio::awaitable<Status> WaitForSnapshot();

  Engine& engine_;
  logchannel::RingDoorbell& bell_;
  Recording recording_;
  const std::string why_;
  std::chrono::steady_clock::time_point begun_;
  std::unique_ptr<logchannel::ArchivedLogWriter> log_;
  bool stopping_ = false;
  Status status_;
};

// A shell's word that means `text`.
std::string ShellWord(const std::string& text);

}  // namespace ft::replay
