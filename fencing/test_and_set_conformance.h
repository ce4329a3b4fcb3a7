// SPDX-License-Identifier: GPL-2.0-or-later
//
// The conformance suite: what every TestAndSet must do. A backend's test
// compiles test_and_set_conformance.cc and test_and_set_race.cc with its
// own file, which says
//
//     INSTANTIATE_TEST_SUITE_P(Etcd, TestAndSetConformance,
//                              testing::Values(&MakeEtcdUnderTest));
//
// and the same for SharedStoreConformance if the store outlives a process,
// as every real one does.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "fencing/test_and_set.h"

namespace ft::fencing {

// A store made for one test, and the hands to injure it with.
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;

  // A new handle, as a host just started would open it. Several may be open
  // at a time, also in forked children.
  virtual std::unique_ptr<TestAndSet> Open() = 0;

  // The rest is for SharedStoreConformance.

  // Overwrites the newest record of `vm` with bytes that are no record.
  virtual void Damage(const std::string& vm);
  // The whole store is gone, with all handles to it...
  virtual void Vanish();
  // ... and back as it was.
  virtual void Return();
};

using MakeStoreUnderTest = std::unique_ptr<StoreUnderTest> (*)();

class TestAndSetConformance
    : public testing::TestWithParam<MakeStoreUnderTest> {
 protected:
  std::unique_ptr<StoreUnderTest> under_test_ = GetParam()();
  std::unique_ptr<TestAndSet> a_ = under_test_->Open();
  std::unique_ptr<TestAndSet> b_ = under_test_->Open();
};

class SharedStoreConformance : public TestAndSetConformance {};

}  // namespace ft::fencing
