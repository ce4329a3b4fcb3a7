// SPDX-License-Identifier: GPL-2.0-or-later
//
// The finder: replays a recording in a way that is under suspicion (blocks
// cut otherwise, a busy host, or just once more), and where that machine is
// not the recorded one, looks for the first log entry that shows it:
//
//   1. Suspect against recording: marks and digests in the log. All equal:
//      there is nothing to find.
//   2. Reference (a plain replay) against recording. If it is the recorded
//      machine where the suspect is not, both are run again and again, and
//      compared at ever nearer ends of entries, until one entry is left.
//   3. If the reference differs too, nothing but the recording itself knows
//      better. If its digests are dense, the engine's words say what differed
//      first (a page and whose ring is in it, a device, the registers), and
//      the entries between two digests are named, mostly one; else the stretch
//      between the last equal mark and where it was noticed.
//
// Takes as long as some replays. On one thread, that of `io`.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "logchannel/status.h"
#include "replay/log_replay.h"
#include "replay/log_window.h"
#include "replay/recording.h"

namespace ft::replay {

struct BisectOptions {
  // Of the suspect; the reference is the same without window and tampering.
  ReplayOptions suspect;
  // A line for each step.
  std::function<void(const std::string&)> progress = {};
};

struct BisectReport {
  int marks = 0;  // that were equal
  // Where it was noticed first; nothing: the replays are the recorded machine.
  std::optional<ReplayDifference> noticed;
  // The machine was right before it and wrong after it. Nothing if it could
  // not be narrowed down so far; `verdict` says why.
  std::optional<LogEntryText> entry;
  std::string expected;  // after that entry, or where it was noticed
  std::string got;
  std::vector<std::string> details;  // registers and pages that differ
  std::string verdict;               // one line, in any case
};

// For people, some lines.
std::string Render(const BisectReport& report);

LogReplay::Awaitable<Result<BisectReport>> BisectRecording(
    boost::asio::io_context& io, const Recording& recording,
    BisectOptions options);

}  // namespace ft::replay
