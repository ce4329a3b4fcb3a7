// SPDX-License-Identifier: GPL-2.0-or-later
//
// Client: ftctl's end of the control protocol (host/control_protocol.h). One
// blocking connection per request: ftctl is a short life.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <string>

#include "logchannel/status.h"

namespace ft::cli {

class Client {
 public:
  // Called for each progress line of a long verb.
  using Progress =
      std::function<void(const std::string& stage, const std::string& text)>;

  explicit Client(std::string socket_path)
      : socket_path_(std::move(socket_path)) {}

  // Sends `request` and waits for its result, however long that takes.
  // kUnavailable when no ftd answers; else what ftd says.
  Result<boost::json::object> Call(const boost::json::object& request,
                                   const Progress& progress = {});

  const std::string& socket_path() const { return socket_path_; }

 private:
  std::string socket_path_;
};

}  // namespace ft::cli
