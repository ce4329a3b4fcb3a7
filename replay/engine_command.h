// SPDX-License-Identifier: GPL-2.0-or-later
//
// From EngineOptions to the engine's argument vector. Pure.
#pragma once

#include <string>
#include <vector>

#include "replay/engine_options.h"

namespace ft::replay {

// argv, [0] is the binary. The two sides of a pair get the same vector but
// for paths, taps and -incoming, so both guests see the same machine.
std::vector<std::string> EngineCommand(const EngineOptions& options);

// options.share_dir, or its default derived from options.binary.
std::string ShareDir(const EngineOptions& options);

// One line that a shell takes back, for logs and for the reader who wants to
// run it by hand.
std::string FormatCommand(const std::vector<std::string>& argv);

}  // namespace ft::replay
