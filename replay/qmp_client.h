// SPDX-License-Identifier: GPL-2.0-or-later
//
// A client of the engine's QMP socket: one JSON object per line each way.
//
//     engine: {"QMP": {...}}                            greeting
//     ftd:    {"execute": "x-ft-query", "id": 7}
//     engine: {"return": {...}, "id": 7}                 or {"error": ...}
//     engine: {"event": "STOP", "data": {...}}           at any time
//
// Commands may overlap; answers find their caller by id. Single-threaded: all
// calls and callbacks on the executor that Connect() ran on.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "logchannel/status.h"

namespace ft::replay {

class QmpClient {
 public:
  using EventHandler = std::function<void(const std::string& name,
                                          const boost::json::object& data)>;
  // Called once when the engine closed the connection or spoke nonsense; not
  // called after Close().
  using LostHandler = std::function<void(const Status& why)>;

  // Connects, reads the greeting, negotiates capabilities. kUnavailable when
  // nobody listens at `path` or the greeting does not come within `timeout`.
  static boost::asio::awaitable<Result<std::unique_ptr<QmpClient>>> Connect(
      std::string path, std::chrono::milliseconds timeout);

  // Closes; commands under way end with kUnavailable.
  ~QmpClient();
  QmpClient(const QmpClient&) = delete;
  QmpClient& operator=(const QmpClient&) = delete;

  // Set both before the first co_await after Connect(): events that arrive
  // while there is no handler are dropped.
  void set_event_handler(EventHandler handler);
  void set_lost_handler(LostHandler handler);

  // The "return" value; kFailed with the engine's own line when it answers
  // with an error; kUnavailable on a lost connection or after `timeout` (the
  // answer, should it come later, is dropped).
  boost::asio::awaitable<Result<boost::json::value>> Execute(
      std::string command, boost::json::object arguments = {},
      std::chrono::milliseconds timeout = std::chrono::seconds(10));

  bool connected() const;
  void Close();

 private:
  struct State;
  explicit QmpClient(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace ft::replay
