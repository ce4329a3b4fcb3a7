// SPDX-License-Identifier: GPL-2.0-or-later
//
// A file of JSON that is complete after every run: what takes hours may be
// interrupted and resumed.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "logchannel/status.h"

namespace ft {

// Replaces the file as a whole, so that no reader sees half of one.
Status WriteStateFile(const boost::json::object& state,
                      const std::string& path);
// kInvalid when there is none, or it is no JSON.
Result<boost::json::value> ReadStateFile(const std::string& path);

}  // namespace ft
