// SPDX-License-Identifier: GPL-2.0-or-later
//
// The conformance suite: every check of test_and_set_checks.h as a test. A
// backend's test compiles test_and_set_conformance.cc with its own file,
// which says
//
//     INSTANTIATE_TEST_SUITE_P(Etcd, TestAndSetConformance,
//                              testing::Values(&MakeEtcdUnderTest));
//
// the same for SharedStoreConformance if the store outlives a process, as
// every real one does, and for RemoteStoreConformance if it is reached over
// a network.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "fencing/test_and_set.h"
#include "fencing/test_and_set_checks.h"

namespace ft::fencing {

using MakeStoreUnderTest = std::unique_ptr<StoreUnderTest> (*)();

class TestAndSetConformance
    : public testing::TestWithParam<MakeStoreUnderTest> {
 protected:
  std::unique_ptr<StoreUnderTest> under_test_ = GetParam()();
};

// Needs Hand::kDamage and kVanish.
class SharedStoreConformance : public TestAndSetConformance {};

// Needs Hand::kWire.
class RemoteStoreConformance : public TestAndSetConformance {};

}  // namespace ft::fencing
