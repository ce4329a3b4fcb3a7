// SPDX-License-Identifier: GPL-2.0-or-later
//
// From the reports of many failovers (lockstep_demo --json) to the figures
// that the project has promised, targets 11 to 14 and 17. Pure.
#pragma once

#include <boost/json/object.hpp>
#include <vector>

#include "tests/bench/figures.h"

namespace ft::bench {

// One report for each failover, of any faults; those of one fault make one
// row of a kind. A promise about every single failover (a maximum, nothing
// lost, every connection alive) is a row with one sample, the worst. Throws
// boost::system::system_error for a report without a field.
std::vector<Figure> FailoverFigures(
    const std::vector<boost::json::object>& reports);

}  // namespace ft::bench
