// SPDX-License-Identifier: GPL-2.0-or-later
//
// The one place that knows all backends of the test-and-set.
#pragma once

#include <memory>

#include "fencing/store_options.h"
#include "fencing/test_and_set.h"

namespace ft::fencing {

// A handle of the store. Reads the password's file and touches nothing else;
// Probe() does.
Result<std::shared_ptr<TestAndSet>> MakeStore(const StoreOptions& options);

// Makes storage ready to be a store, where that takes doing: a LUN. What
// holds anything is refused unless `force`.
Status FormatStore(const StoreOptions& options, bool force);

// The options with the password read from its file.
Result<StoreOptions> WithPassword(const StoreOptions& options);

}  // namespace ft::fencing
