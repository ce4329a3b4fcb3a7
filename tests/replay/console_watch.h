// SPDX-License-Identifier: GPL-2.0-or-later
//
// ConsoleWatch: what a guest has written to its serial console so far, and
// when each line came, by this host's monotonic clock. A stopwatch that the
// guest's own clock has no part in.
//
// The engine writes the console to a file; inotify wakes the io_context for
// every write, so a line's time is right to well under a millisecond while
// the io_context runs.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ft::replay {

class ConsoleWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `path` exists; what is in it already counts as read now.
  ConsoleWatch(boost::asio::io_context& io, const std::string& path);
  ~ConsoleWatch();
  ConsoleWatch(const ConsoleWatch&) = delete;
  ConsoleWatch& operator=(const ConsoleWatch&) = delete;

  // Everything up to now; looks at the file.
  const std::string& Text();
  // When the end of the first line that begins with `prefix` was seen.
  std::optional<TimePoint> LineTime(const std::string& prefix);

 private:
  struct State;
  static boost::asio::awaitable<void> Watch(std::shared_ptr<State> state);

  const std::shared_ptr<State> state_;  // shared with the coroutine
};

}  // namespace ft::replay
