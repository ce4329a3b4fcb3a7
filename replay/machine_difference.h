// SPDX-License-Identifier: GPL-2.0-or-later
//
// How two engines that stand at the same log position differ: registers line
// by line, RAM page by page.
#pragma once

#include <string>
#include <vector>

#include "logchannel/status.h"
#include "replay/engine.h"

namespace ft::replay {

// A line for each register line and for the first pages that differ. Writes
// both RAMs into `work_dir`, up to 3 GiB each, and removes them again.
Engine::Awaitable<Result<std::vector<std::string>>> DescribeDifference(
    Engine& expected, Engine& got, std::string work_dir);

// The lines that `got` has otherwise: "registers: A, not B". Pure.
std::vector<std::string> DifferentLines(const std::string& expected,
                                        const std::string& got);
// The first pages in which two files of guest RAM differ.
std::vector<std::string> DifferentPages(const std::string& expected_path,
                                        const std::string& got_path);

}  // namespace ft::replay
