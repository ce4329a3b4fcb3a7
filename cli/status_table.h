// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `ftctl status` and `ftctl events` print for people: ftd's JSON in,
// text out. Pure. Members that are missing show as empty or 0, so an ftctl
// can read a neighbouring version of ftd.
#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace ft::cli {

// One line per VM under a header; "no VMs" when there are none.
std::string RenderTable(const boost::json::object& status);
// One VM, a fact per line.
std::string RenderDetails(const boost::json::object& status);
// One event per line.
std::string RenderEvents(const boost::json::object& events);

}  // namespace ft::cli
