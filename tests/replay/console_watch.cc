// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/replay/console_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "logchannel/scoped_fd.h"

namespace ft::replay {

namespace asio = boost::asio;

struct ConsoleWatch::State {
  State(asio::io_context& io, const std::string& path)
      : file(open(path.c_str(), O_RDONLY | O_CLOEXEC)),
        changes(io, inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
    inotify_add_watch(changes.native_handle(), path.c_str(), IN_MODIFY);
  }

  // Takes in what the file has gained.
  void Read() {
    char bytes[4096];
    for (;;) {
      const ssize_t size = pread(file.get(), bytes, sizeof bytes,
                                 static_cast<off_t>(text.size()));
      if (size <= 0) return;
      const auto now = std::chrono::steady_clock::now();
      for (ssize_t i = 0; i < size; ++i) {
        text += bytes[i];
        if (bytes[i] == '\n') lines.push_back({text.size(), now});
      }
    }
  }

  struct Line {
    size_t end;  // in `text`, after the newline
    TimePoint time;
  };

  const ScopedFd file;
  asio::posix::stream_descriptor changes;
  std::string text;
  std::vector<Line> lines;
};

ConsoleWatch::ConsoleWatch(asio::io_context& io, const std::string& path)
    : state_(std::make_shared<State>(io, path)) {
  state_->Read();
  asio::co_spawn(io, Watch(state_), asio::detached);
}

ConsoleWatch::~ConsoleWatch() {
  boost::system::error_code ignored;
  state_->changes.close(ignored);
}

asio::awaitable<void> ConsoleWatch::Watch(std::shared_ptr<State> state) {
  char events[4096];
  for (;;) {
    boost::system::error_code error;
    co_await state->changes.async_read_some(
        asio::buffer(events), asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    state->Read();
  }
}

const std::string& ConsoleWatch::Text() {
  state_->Read();
  return state_->text;
}

std::optional<ConsoleWatch::TimePoint> ConsoleWatch::LineTime(
    const std::string& prefix) {
  state_->Read();
  size_t begin = 0;
  for (const State::Line& line : state_->lines) {
    if (state_->text.compare(begin, prefix.size(), prefix) == 0) {
      return line.time;
    }
    begin = line.end;
  }
  return std::nullopt;
}

}  // namespace ft::replay
