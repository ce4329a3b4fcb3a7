// SPDX-License-Identifier: GPL-2.0-or-later
//
// What a violation of linearizability is told with (linearizability.h).
#pragma once

#include <vector>

#include "tests/chaos/key_model.h"
#include "tests/chaos/linearizability.h"

namespace ft::chaos {

// Fills in key, why, excerpt and blocked. `operations` are those of the key;
// in `possible` states, and no others, `blocked` could have been executed.
void DescribeViolation(const std::vector<const Operation*>& operations,
                       const Operation& blocked, const KeyModel& model,
                       const std::vector<KeyModel::State>& possible,
                       CheckResult& result);

}  // namespace ft::chaos
